"""`zops channel create|subscribe|list` write and show what a server would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import added, all_rows, changed, normalized
from zcore import Refused, UsageError
from zcore.organizations.codes import Role
from zcore.schema import tables
from zops_realm.channel_create import ChannelRequest
from zops_realm.channel_create import run as create_channel
from zops_realm.channel_subscribe import SubscriptionRequest
from zops_realm.channel_subscribe import run as subscribe
from zops_realm.channels import NewChannel
from zops_realm.user_role import change_role

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Change, Context
    from zcore.database import Database
    from zcore.testing.commands import Zops


@pytest.fixture
def told() -> list[Change]:
    """What plugins were told of."""
    return []


@pytest.fixture
def context(
    database: Database,
    context_of: Callable[[Database], Context],
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
    told: list[Change],
    monkeypatch: pytest.MonkeyPatch,
) -> Context:
    """A run on a database with an organization of two: Olive and Mo."""
    make_user(database, make_realm(database, "acme"), "mo@a.test", Role.MEMBER)
    made = context_of(database)
    monkeypatch.setattr(made, "committed", told.append)
    return made


def create(context: Context, name: str = "Plans", *, default: bool = False, **words: Any) -> int:
    channel = NewChannel(name=name, **words)
    request = ChannelRequest(realm="acme", channel=channel, is_default=default)
    channel_id = create_channel(context, request).data["channel_id"]
    assert isinstance(channel_id, int)
    return channel_id


def test_the_rows_of_a_channel(context: Context, database: Database, told: list[Change]) -> None:
    before = all_rows(database)

    channel_id = create(context, description="a < b", is_private=True)

    after = all_rows(database)
    rows = normalized(added(before, after), after)
    assert changed(before, after) == {}
    assert rows.keys() == {"zerver_stream", "zerver_recipient", "zerver_realmauditlog"}
    (row,) = rows["zerver_stream"]
    assert row["recipient_id"] == "recipient acme/Plans"
    assert (row["invite_only"], row["history_public_to_subscribers"]) == (True, False)
    assert row["can_remove_subscribers_group_id"] == "acme/role:administrators"
    assert row["can_send_message_group_id"] == "acme/role:everyone"
    assert after["zerver_stream"][-1]["rendered_description"] == "<p>a &lt; b</p>"
    (entry,) = rows["zerver_realmauditlog"]
    assert (entry["event_type"], entry["modified_stream_id"]) == (601, "acme/Plans")
    (change,) = told
    assert (change.kind, change.details) == ("channel.created", {"stream_ids": [channel_id]})


@pytest.mark.parametrize(
    ("words", "columns"),
    [
        ({}, (False, True, False)),
        ({"is_private": True, "shared_history": True}, (True, True, False)),
        ({"is_web_public": True}, (False, True, True)),
    ],
)
def test_kinds_of_channels(
    context: Context, database: Database, words: dict[str, bool], columns: tuple[bool, ...]
) -> None:
    create(context, **words)

    row = all_rows(database)["zerver_stream"][-1]
    names = ("invite_only", "history_public_to_subscribers", "is_web_public")
    assert tuple(row[name] for name in names) == columns
    assert row["rendered_description"] == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "channel-name-length"),
        ("x" * 61, "channel-name-length"),
        ("a\x07b", "channel-name-characters"),
        ("GENERAL", "channel-name-taken"),
        ("ÜBER", "channel-name-taken"),
    ],
)
def test_names_that_are_refused(context: Context, database: Database, name: str, code: str) -> None:
    create(context, "über")
    before = all_rows(database)

    with pytest.raises(Refused) as error:
        create(context, name)

    assert error.value.code == code
    assert all_rows(database) == before


@pytest.mark.parametrize("description", ["x" * 1025, "a\0b", "\ud800"])
def test_descriptions_that_are_refused(
    context: Context, database: Database, description: str
) -> None:
    before = all_rows(database)

    with pytest.raises(Refused) as error:
        create(context, description=description)

    assert error.value.code == "channel-description"
    assert all_rows(database) == before


def test_an_organization_that_is_not_whole(context: Context, database: Database) -> None:
    groups = tables["zerver_namedusergroup"]
    with database.begin() as connection:
        connection.execute(sa.update(groups).values(is_system_group=False))

    for change in (lambda: create(context), lambda: _promote(context)):
        with pytest.raises(Refused) as error:
            change()
        assert error.value.code == "realm-incomplete"


def _promote(context: Context) -> object:
    return change_role(context, "acme", "mo@a.test", Role.MODERATOR)


@pytest.mark.parametrize(
    "words",
    [
        {"is_private": True, "is_web_public": True},
        {"shared_history": True},
        {"is_private": True, "default": True},
    ],
)
def test_flags_that_contradict_each_other(context: Context, words: dict[str, bool]) -> None:
    with pytest.raises(UsageError):
        create(context, **words)  # type: ignore[arg-type]  # flags only


def test_subscribe_for_the_first_time_and_again(
    context: Context, database: Database, told: list[Change]
) -> None:
    channel_id = create(context)
    request = SubscriptionRequest(realm="acme", channel="PLANS", users=["mo@a.test", "MO@a.test"])
    before = all_rows(database)

    assert subscribe(context, request).data["subscribed"] == 1
    again = subscribe(context, request)

    assert (again.data["subscribed"], again.data["already"]) == (0, 1)
    after = all_rows(database)
    rows = normalized(added(before, after), after)
    (row,) = rows["zerver_subscription"]
    assert (row["user_profile_id"], row["recipient_id"]) == ("mo@a.test", "recipient acme/Plans")
    others = [each for each in before["zerver_subscription"] if row["color"] == each["color"]]
    mo = after["zerver_subscription"][-1]["user_profile_id"]
    assert mo not in {each["user_profile_id"] for each in others}
    (entry,) = rows["zerver_realmauditlog"]
    assert (entry["event_type"], entry["modified_user_id"]) == (301, "mo@a.test")
    subscriptions = tables["zerver_subscription"]
    with database.begin() as connection:
        connection.execute(sa.update(subscriptions).values(active=False))

    assert subscribe(context, request).data["subscribed"] == 1

    log = all_rows(database)["zerver_realmauditlog"]
    assert [each["event_type"] for each in log[-2:]] == [301, 302]
    assert len(all_rows(database)["zerver_subscription"]) == len(after["zerver_subscription"])
    assert [(each.kind, each.user_ids, each.details) for each in told[1:]] == [
        ("channel.subscribed", (mo,), {"stream_ids": [channel_id]})
    ] * 2


def test_subscribe_everybody(context: Context, database: Database) -> None:
    channel_id = create(context)
    everybody = SubscriptionRequest(realm="acme", channel=f"id:{channel_id}", all_users=True)

    assert subscribe(context, everybody).data["subscribed"] == 2


def test_whom_and_what_cannot_be_subscribed(context: Context, database: Database) -> None:
    users, streams = tables["zerver_userprofile"], tables["zerver_stream"]
    with database.begin() as connection:
        mo = users.c.delivery_email == "mo@a.test"
        connection.execute(sa.update(users).where(mo).values(is_active=False))
        sandbox = streams.c.name == "sandbox"
        connection.execute(sa.update(streams).where(sandbox).values(deactivated=True))

    for channel, user, code in (
        ("general", "mo@a.test", "user-deactivated"),
        ("general", "nobody@a.test", "no-user"),
        ("nothing", "olive@example.test", "no-channel"),
        ("sandbox", "olive@example.test", "channel-closed"),
    ):
        with pytest.raises(Refused) as error:
            subscribe(context, SubscriptionRequest(realm="acme", channel=channel, users=[user]))
        assert error.value.code == code


def test_the_command_lines(zops_on_sqlite: Zops) -> None:
    zops_on_sqlite("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    create = ("channel", "create", "acme", "Plans", "--default", "--description", "Our\nplans")
    zops_on_sqlite(*create, "--dry-run")
    zops_on_sqlite(*create)
    zops_on_sqlite("realm", "deactivate", "acme")
    closed = zops_on_sqlite("channel", "create", "acme", "Late", exit_code=3)
    assert "'zops realm reactivate'" in closed.stderr
    zops_on_sqlite("realm", "reactivate", "acme")
    zops_on_sqlite("create-user", "mo@a.test", "Mo Lee", "-r", "acme", "--no-password")
    zops_on_sqlite("channel", "subscribe", "acme", "plans", exit_code=2)
    zops_on_sqlite("channel", "subscribe", "acme", "plans", "--user", "o@a.test")

    missed = zops_on_sqlite("channel", "subscribe", "acme", "x", "--all-users", exit_code=3)
    assert "'zops channel list acme' shows" in missed.stderr

    listed = zops_on_sqlite("--json", "channel", "list", "acme").json()["channels"]

    assert [channel["name"] for channel in listed] == ["general", "Plans", "sandbox", "Zulip"]
    plans = listed[1]
    assert plans.pop("channel_id") == 4
    assert plans == {
        "name": "Plans",
        "description": "Our plans",
        "kind": "public",
        "is_default": True,
        "is_archived": False,
        "subscribers": 2,
    }
