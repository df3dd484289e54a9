"""What happens around a new account: mails on later days, invitations, an announcement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import all_rows
from zcore import CreatedUser, UsersCreated
from zcore.organizations.codes import Role
from zcore.schema import tables
from zops_realm.invitations import withdraw_invitations
from zops_realm.signup_announcement import announce
from zops_realm.welcome_mails import send_welcome_mails
from zops_realm.welcome_message import send_welcome_messages
from zops_realm.welcomed import read_realm

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Context
    from zcore.database import Database

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOPICS, GUIDE, TEAM = (
    "onboarding_zulip_topics",
    "onboarding_zulip_guide",
    "onboarding_team_to_zulip",
)


class Arrival:
    """An organization with its owner, and somebody new in it."""

    def __init__(self, context: Context, realm_id: int, user_id: int) -> None:
        self.context = context
        self.realm_id = realm_id
        self.user_id = user_id
        self.published: list[tuple[str, Any]] = []

    def set_realm(self, **values: object) -> None:
        realms = tables["zerver_realm"]
        with self.context.database.begin() as connection:
            update = sa.update(realms).where(realms.c.id == self.realm_id)
            connection.execute(update.values(**values))

    def event(self, connection: sa.Connection, **values: Any) -> UsersCreated:
        users = tables["zerver_userprofile"].c
        chosen = sa.select(
            users.id, users.delivery_email, users.full_name, users.role, users.recipient_id
        ).where(users.id == self.user_id)
        return UsersCreated(
            connection=connection,
            now=values.pop("now", MONDAY),
            publish=lambda queue, payload: self.published.append((queue, payload)),
            realm_id=self.realm_id,
            string_id="acme",
            users=(CreatedUser(*connection.execute(chosen).one()),),
            **values,
        )

    def mails(self, **values: Any) -> dict[str, Any]:
        """Scheduled mails by template: when, and what they are filled with."""
        with self.context.database.begin() as connection:
            realm = read_realm(connection, self.realm_id)
            send_welcome_mails(self.event(connection, **values), realm, self.context)
        return {
            row["data"].split('"')[3].rpartition("/")[2]: row
            for row in all_rows(self.context.database)["zerver_scheduledemail"]
        }


@pytest.fixture
def arrival(
    sqlite_database: Database,
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
    context_of: Callable[..., Context],
) -> Arrival:
    """Nora, a member, has just been given her account."""
    realm_id = make_realm(sqlite_database, "acme")
    user_id = make_user(sqlite_database, realm_id, "Nora@a.test", Role.MEMBER)
    return Arrival(context_of(sqlite_database, external_host="chat.test"), realm_id, user_id)


@pytest.mark.parametrize(
    ("days_after_monday", "topics", "guide", "team"),
    [
        (0, 2, 4, 8),
        (1, 2, 6, 8),
        (2, 2, 6, 8),
        (3, 4, 6, 8),
        (4, 4, 6, 10),
        (5, 2, 4, 6),
        (6, 2, 4, 8),
    ],
)
def test_mails_come_on_working_days(
    days_after_monday: int, topics: int, guide: int, team: int, arrival: Arrival
) -> None:
    arrival.set_realm(org_type=10)
    now = MONDAY + timedelta(days=days_after_monday)

    mails = arrival.mails(now=now, realm_creation=True)

    due = {name: row["scheduled_timestamp"] - now for name, row in mails.items()}
    hour = timedelta(hours=1)
    assert due == {
        TOPICS: timedelta(days=topics) - hour,
        GUIDE: timedelta(days=guide) - hour,
        TEAM: timedelta(days=team) - hour,
    }


def test_without_welcome_mails_only_the_first_is_sent(arrival: Arrival) -> None:
    arrival.set_realm(send_welcome_emails=False)

    assert arrival.mails() == {}
    ((queue, event),) = arrival.published
    assert queue == "deferred_email_senders"
    assert event["to_user_ids"] == [arrival.user_id]
    assert event["context"]["email"] == "Nora@a.test"
    assert event["context"]["is_realm_admin"] is False


def test_who_has_another_account_knows_what_topics_are(
    arrival: Arrival,
    sqlite_database: Database,
    make_realm: Callable[[Database, str], int],
    make_user: Callable[[Database, int, str, Role], int],
) -> None:
    make_user(sqlite_database, make_realm(sqlite_database, "big"), "nora@A.test", Role.MEMBER)

    assert set(arrival.mails(realm_creation=True)) == {TEAM}


@pytest.mark.parametrize(("org_type", "told"), [(60, set()), (10, {GUIDE}), (100, set())])
def test_which_guide(org_type: int, told: set[str], arrival: Arrival) -> None:
    arrival.set_realm(org_type=org_type)

    assert set(arrival.mails()) == {TOPICS} | told


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"org_type": 0}, "getting-started-with-zulip"),
        ({"org_type": 30}, "using-zulip-for-a-class"),
        ({"demo_organization_scheduled_deletion_date": MONDAY}, "demo-organizations"),
    ],
)
def test_the_direct_message_fits_the_organization(
    settings: dict[str, object], said: str, arrival: Arrival
) -> None:
    arrival.set_realm(**settings)
    database = arrival.context.database
    with database.begin() as connection:
        realm = read_realm(connection, arrival.realm_id)
        send_welcome_messages(arrival.event(connection), realm)

    (message,) = all_rows(database)["zerver_message"]
    assert said in message["content"]
    assert "moving-to-zulip" not in message["content"]
    assert "inbox" not in message["content"]  # nothing has been begun here


def test_an_arrival_is_announced_to_the_subscribers(arrival: Arrival) -> None:
    database = arrival.context.database
    general = next(row for row in all_rows(database)["zerver_stream"] if row["name"] == "general")
    arrival.set_realm(signup_announcements_stream_id=general["id"])
    with database.begin() as connection:
        announce(arrival.event(connection), read_realm(connection, arrival.realm_id))

    rows = all_rows(database)
    (message,) = rows["zerver_message"]
    assert message["subject"] == "signups"
    assert message["content"].startswith(f"@_**Nora Lee|{arrival.user_id}**")
    assert message["recipient_id"] == general["recipient_id"]
    people = [user["id"] for user in rows["zerver_userprofile"] if not user["is_bot"]]
    assert [(row["user_profile_id"], row["flags"]) for row in rows["zerver_usermessage"]] == [
        (user_id, 0) for user_id in people
    ]
    channel = next(row for row in rows["zerver_stream"] if row["id"] == general["id"])
    assert channel["first_message_id"] == message["id"]


def test_the_first_person_is_not_announced(arrival: Arrival) -> None:
    database = arrival.context.database
    users = tables["zerver_userprofile"].c
    channel_id = all_rows(database)["zerver_stream"][0]["id"]
    arrival.set_realm(signup_announcements_stream_id=channel_id)
    with database.begin() as connection:
        owner = sa.update(users.id.table).where(users.role == Role.OWNER)
        connection.execute(owner.values(is_active=False))
        announce(arrival.event(connection), read_realm(connection, arrival.realm_id))

    assert all_rows(database)["zerver_message"] == []


def test_invitations_into_this_organization_are_used_up(
    arrival: Arrival, sqlite_database: Database, make_realm: Callable[[Database, str], int]
) -> None:
    other = make_realm(sqlite_database, "big")
    with sqlite_database.begin() as connection:
        for realm_id in (arrival.realm_id, other):
            _invite(connection, realm_id, "NORA@a.test")
        withdraw_invitations(connection, arrival.realm_id, ["Nora@a.test"])

    rows = all_rows(sqlite_database)
    states = {row["realm_id"]: row["status"] for row in rows["zerver_preregistrationuser"]}
    assert states == {arrival.realm_id: 2, other: 0}
    assert [row["realm_id"] for row in rows["zerver_scheduledemail"]] == [other]


def _invite(connection: sa.Connection, realm_id: int, address: str) -> None:
    invitation: dict[str, object] = {
        "realm_id": realm_id,
        "email": address,
        "invited_at": MONDAY,
        "invited_as": 400,
        "full_name_validated": False,
        "include_realm_default_subscriptions": True,
        "notify_referrer_on_join": True,
        "password_required": True,
        "realm_creation": False,
        "status": 0,
    }
    reminder = {
        "realm_id": realm_id,
        "type": 3,
        "address": address,
        "data": "{}",
        "scheduled_timestamp": MONDAY,
    }
    connection.execute(sa.insert(tables["zerver_preregistrationuser"]), invitation)
    connection.execute(sa.insert(tables["zerver_scheduledemail"]), reminder)
