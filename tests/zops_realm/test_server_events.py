"""Which events a change gives, and whose clients get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from zcore import Change, Refused
from zcore.organizations.codes import EmailVisibility, Role
from zcore.organizations.inserts import insert_returning_ids
from zcore.organizations.system_groups import read_system_groups
from zcore.schema.channels import (
    CHANNEL_GROUP_SETTINGS,
    zerver_defaultstream,
    zerver_stream,
    zerver_subscription,
)
from zcore.schema.groups import (
    zerver_namedusergroup,
    zerver_usergroup,
    zerver_usergroupmembership,
)
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zcore.settings import Settings
from zcore.tornado import organization_queues, queue_names
from zops_realm.server.event_rules import notices_of
from zops_realm.server.organization import Organization

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database

Make = Callable[["Database", int, str, Role], int]
JOINED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MO_AVATAR = "https://secure.gravatar.com/avatar/aafc4824582f6d0187e5310dbc2d848e?d=identicon"


class Acme:
    """An organization with the owner Olive, the member Mo and the guest Gus."""

    def __init__(self, database: Database, make_realm: Callable[..., int], make_user: Make) -> None:
        self.database = database
        self.realm_id = make_realm(database, "acme")
        self.mo = make_user(database, self.realm_id, "mo@a.test", Role.MEMBER)
        self.gus = make_user(database, self.realm_id, "gus@a.test", Role.GUEST)
        with database.read() as connection:
            users = zerver_userprofile.c
            owner = sa.select(users.id).where(users.realm_id == self.realm_id)
            self.olive: int = connection.scalar(owner.where(users.role == Role.OWNER)) or 0
            self.groups = read_system_groups(connection, self.realm_id)
            streams = sa.select(zerver_stream.c.id).where(zerver_stream.c.realm_id == self.realm_id)
            self.streams = list(connection.scalars(streams.order_by(zerver_stream.c.id)))
        self.everybody = sorted([self.olive, self.mo, self.gus])
        self.host: str | None = "h.test:8443"

    def change(self, table: sa.Table, number: int, **values: object) -> None:
        """Change columns of a row."""
        with self.database.begin() as connection:
            connection.execute(sa.update(table).where(table.c.id == number).values(values))

    def leave(self, user_id: int, stream_id: int) -> None:
        """End a subscription."""
        subscriptions, streams = zerver_subscription.c, zerver_stream.c
        recipient = sa.select(streams.recipient_id).where(streams.id == stream_id)
        with self.database.begin() as connection:
            connection.execute(
                sa.update(zerver_subscription)
                .where(
                    subscriptions.user_profile_id == user_id,
                    subscriptions.recipient_id == recipient.scalar_subquery(),
                )
                .values(active=False)
            )

    def unnamed_group(self, *user_ids: int) -> int:
        """A group that stands for one permission's own list."""
        with self.database.begin() as connection:
            rows = [{"realm_id": self.realm_id}]
            (group_id,) = insert_returning_ids(connection, zerver_usergroup, rows)
            members = [{"user_group_id": group_id, "user_profile_id": each} for each in user_ids]
            connection.execute(sa.insert(zerver_usergroupmembership), members)
        return group_id

    def told(
        self, kind: str, *user_ids: int, **details: object
    ) -> list[tuple[dict[str, Any], list[int]]]:
        """The events of a change, each with those who get it."""
        change = Change(kind, self.realm_id, "acme", user_ids, details)
        with self.database.read() as connection:
            notices = list(notices_of(change, Organization(connection, change, self.host)))
        return [(dict(notice.event), list(notice.users)) for notice in notices]

    def told_of_person(self, kind: str, *user_ids: int, **details: object) -> list[object]:
        """The same, of events that are updates of an account."""
        told = self.told(kind, *user_ids, **details)
        assert {(event["type"], event["op"]) for event, _ in told} <= {("realm_user", "update")}
        return [(event["person"], users) for event, users in told]


@pytest.fixture
def acme(sqlite_database: Database, make_realm: Callable[..., int], make_user: Make) -> Acme:
    """The organization."""
    return Acme(sqlite_database, make_realm, make_user)


def membership(op: str, group_id: int, user_id: int) -> dict[str, object]:
    return {"type": "user_group", "op": op, "group_id": group_id, "user_ids": [user_id]}


def peer_add(stream_ids: list[int], user_id: int) -> dict[str, object]:
    ids: Mapping[str, list[int]] = {"stream_ids": stream_ids, "user_ids": [user_id]}
    return {"type": "subscription", "op": "peer_add", **ids}


def test_a_new_member(acme: Acme) -> None:
    acme.change(zerver_userprofile, acme.mo, date_joined=JOINED)
    for stream_id in acme.streams[1:]:
        acme.leave(acme.gus, stream_id)

    person = {
        "email": "mo@a.test",
        "user_id": acme.mo,
        "avatar_version": 1,
        "is_admin": False,
        "is_owner": False,
        "is_guest": False,
        "role": 400,
        "is_bot": False,
        "full_name": "Mo Lee",
        "timezone": "",
        "is_active": True,
        "date_joined": "2026-03-04T05:06+00:00",
        "delivery_email": "mo@a.test",
        "avatar_url": f"{MO_AVATAR}&version=1",
        "profile_data": {},
    }
    joined = [membership("add_members", acme.groups[name], acme.mo) for name in MEMBER_GROUPS]
    assert acme.told("user.created", acme.mo) == [
        ({"type": "realm_user", "op": "add", "person": person}, acme.everybody),
        (joined[0], acme.everybody),
        (joined[1], acme.everybody),
        (peer_add(acme.streams[:1], acme.mo), sorted([acme.olive, acme.gus])),
        (peer_add(acme.streams[1:], acme.mo), [acme.olive]),
    ]


MEMBER_GROUPS = ("role:members", "role:fullmembers")


@pytest.mark.parametrize(
    ("visibility", "knowing"),
    [
        (EmailVisibility.MEMBERS, ("olive", "mo")),
        (EmailVisibility.MODERATORS, ("olive", "gus")),
        (EmailVisibility.ADMINISTRATORS, ("olive", "gus")),
        (EmailVisibility.NOBODY, ("gus",)),
    ],
)
def test_an_address_is_told_only_to_those_who_may_know_it(
    acme: Acme, visibility: EmailVisibility, knowing: tuple[str, ...]
) -> None:
    new = acme.gus if "gus" in knowing else acme.mo
    acme.change(zerver_userprofile, new, email_address_visibility=visibility)
    knowing_ids = sorted(getattr(acme, name) for name in knowing)

    added = [told for told in acme.told("user.created", new) if told[0]["type"] == "realm_user"]
    changed = acme.told_of_person("user.email_changed", new)

    assert [users for _, users in added] == [
        knowing_ids,
        [number for number in acme.everybody if number not in knowing_ids],
    ]
    assert [event["person"]["delivery_email"] is None for event, _ in added] == [False, True]
    assert changed[0] == (
        {"user_id": new, "delivery_email": added[0][0]["person"]["delivery_email"]},
        knowing_ids,
    )
    assert len(changed) == 2  # the other one is the picture


def test_another_address_that_everybody_sees(acme: Acme) -> None:
    picture = {
        "avatar_source": "G",
        "avatar_url": f"{MO_AVATAR}&version=1",
        "avatar_url_medium": f"{MO_AVATAR}&s=500&version=1",
        "avatar_version": 1,
        "user_id": acme.mo,
    }
    assert acme.told_of_person("user.email_changed", acme.mo) == [
        ({"user_id": acme.mo, "delivery_email": "mo@a.test"}, acme.everybody),
        (picture, acme.everybody),
        ({"user_id": acme.mo, "new_email": "mo@a.test"}, acme.everybody),
    ]


def test_names_and_being_active(acme: Acme) -> None:
    assert acme.told_of_person("user.name_changed", acme.mo) == [
        ({"user_id": acme.mo, "full_name": "Mo Lee"}, acme.everybody)
    ]
    consent = {"type": "realm_export_consent", "user_id": acme.mo, "consented": False}
    update = {"type": "realm_user", "op": "update"}
    assert acme.told("user.reactivated", acme.mo) == [
        ({**update, "person": {"user_id": acme.mo, "is_active": True}}, acme.everybody),
        (consent, [acme.olive]),
        *(
            (peer_add([stream_id], acme.mo), sorted([acme.olive, acme.gus]))
            for stream_id in acme.streams
        ),
        *(
            (membership("add_members", group_id, acme.mo), acme.everybody)
            for group_id in sorted(acme.groups[name] for name in MEMBER_GROUPS)
        ),
    ]
    acme.change(zerver_userprofile, acme.mo, is_active=False)
    gone = ({"user_id": acme.mo, "is_active": False}, sorted([acme.olive, acme.gus]))
    assert acme.told_of_person("user.deactivated", acme.mo) == [gone]
    told = acme.told("user.deactivated", acme.mo, invitations_ended=1)
    assert told[0] == ({"type": "invites_changed"}, [acme.olive])
    assert acme.told("user.password_changed", acme.mo) == []


def test_a_deleted_account_has_another_name_and_address(acme: Acme) -> None:
    without_mo = sorted([acme.olive, acme.gus])
    nobody = {"delivery_email": "deleteduser9@a.test", "email": "deleteduser9@a.test"}
    acme.change(zerver_userprofile, acme.mo, is_active=False, full_name="Deleted User 9", **nobody)

    told = acme.told_of_person("user.deleted", acme.mo)

    assert told[:3] == [
        ({"user_id": acme.mo, "is_active": False}, without_mo),
        ({"user_id": acme.mo, "full_name": "Deleted User 9"}, without_mo),
        ({"user_id": acme.mo, "delivery_email": "deleteduser9@a.test"}, without_mo),
    ]
    assert told[-1] == ({"user_id": acme.mo, "new_email": "deleteduser9@a.test"}, without_mo)


def test_guests_hear_little_of_users_that_they_may_not_see(acme: Acme) -> None:
    acme.change(
        zerver_realm, acme.realm_id, can_access_all_users_group_id=acme.groups["role:members"]
    )
    renamed = {"user_id": acme.mo, "full_name": "Mo Lee"}
    assert acme.told_of_person("user.name_changed", acme.mo) == [(renamed, acme.everybody)]
    for stream_id in acme.streams:  # nothing that they share is left
        acme.leave(acme.gus, stream_id)
    without_gus = sorted([acme.olive, acme.mo])
    assert acme.told_of_person("user.name_changed", acme.mo) == [(renamed, without_gus)]
    assert acme.told_of_person("user.name_changed", acme.gus)[0][1] == acme.everybody  # type: ignore[index]
    assert acme.told("user.reactivated", acme.mo)[0][1] == without_gus

    (_, seers), (event, others) = acme.told("user.created", acme.mo)[:2]
    assert (seers, others, event["inaccessible_user"]) == (without_gus, [acme.gus], True)
    shown = event["person"]
    assert (shown["user_id"], shown["email"]) == (acme.mo, f"user{acme.mo}@acme.h.test")
    assert "Mo" not in str(shown.values())
    acme.host = None
    assert acme.told("user.created", acme.mo)[1][0]["type"] == "user_group"

    acme.change(zerver_userprofile, acme.mo, is_active=False)
    left = [membership("remove_members", acme.groups[name], acme.mo) for name in MEMBER_GROUPS]
    assert acme.told("user.deactivated", acme.mo)[1:] == sorted(
        ((event, [acme.gus]) for event in left), key=lambda told: told[0]["group_id"]
    )


def test_bots_are_told_to_those_who_manage_them(acme: Acme) -> None:
    bot = {"is_bot": True, "bot_type": 1, "bot_owner_id": acme.mo}
    acme.change(zerver_userprofile, acme.gus, role=Role.MEMBER, **bot)
    update = {"type": "realm_bot", "op": "update"}
    managers = sorted([acme.olive, acme.mo])
    changes: dict[str, dict[str, object]] = {
        "user.deactivated": {"is_active": False},
        "user.reactivated": {"is_active": True},
        "user.name_changed": {"full_name": "Gus Lee"},
    }
    for kind, values in changes.items():
        told = [told for told in acme.told(kind, acme.gus) if told[0]["type"] == "realm_bot"]
        assert told == [({**update, "bot": {"user_id": acme.gus, **values}}, managers)]
        assert "realm_export_consent" not in {
            event["type"] for event, _ in acme.told(kind, acme.gus)
        }
    picture = acme.told("user.email_changed", acme.gus)[1]
    assert picture[0]["bot"]["avatar_url"].startswith("https://secure.gravatar.com/")

    acme.change(zerver_stream, acme.streams[0], invite_only=True)
    acme.change(zerver_userprofile, acme.gus, default_sending_stream_id=acme.streams[0])
    assert acme.told("user.name_changed", acme.gus)[1][1] == [acme.mo]


def test_permissions_of_an_account_that_is_back(acme: Acme) -> None:
    own = acme.unnamed_group(acme.mo, acme.gus)
    acme.change(zerver_realm, acme.realm_id, can_create_groups_id=own)
    with acme.database.begin() as connection:
        named = zerver_namedusergroup
        connection.execute(
            sa.update(named)
            .where(named.c.usergroup_ptr_id == acme.groups["role:owners"])
            .values(can_mention_group_id=own)
        )
    acme.change(zerver_userprofile, acme.gus, is_active=False)

    told = acme.told("user.reactivated", acme.mo)[-2:]

    members = {"direct_members": [acme.mo], "direct_subgroups": []}
    everybody = sorted([acme.olive, acme.mo])
    group = {"type": "user_group", "op": "update", "group_id": acme.groups["role:owners"]}
    realm = {"type": "realm", "op": "update_dict", "property": "default"}
    assert told == [
        ({**group, "data": {"can_mention_group": members}}, everybody),
        ({**realm, "data": {"can_create_groups": members}}, everybody),
    ]


def test_another_role(acme: Acme) -> None:
    private, left, subscribed = acme.streams
    acme.change(zerver_stream, private, invite_only=True)
    acme.leave(acme.gus, private)
    acme.leave(acme.gus, left)
    acme.change(zerver_userprofile, acme.gus, role=Role.ADMINISTRATOR)
    with acme.database.begin() as connection:
        members = zerver_usergroupmembership
        connection.execute(
            sa.update(members)
            .where(members.c.user_profile_id == acme.gus)
            .values(user_group_id=acme.groups["role:administrators"])
        )

    told = acme.told("user.role_changed", acme.gus, old={"role": 600}, new={"role": 200})

    assert told[:3] == [
        (
            {"type": "realm_user", "op": "update", "person": {"user_id": acme.gus, "role": 200}},
            acme.everybody,
        ),
        (membership("remove_members", acme.groups["role:everyone"], acme.gus), acme.everybody),
        (membership("add_members", acme.groups["role:administrators"], acme.gus), acme.everybody),
    ]
    (appeared, to), *subscribers = told[3:]
    assert (appeared["type"], appeared["op"], to) == ("stream", "create", [acme.gus])
    assert [stream["stream_id"] for stream in appeared["streams"]] == [private, left]
    assert subscribed not in [stream["stream_id"] for stream in appeared["streams"]]
    peers = {"type": "subscription", "op": "peer_add", "user_ids": sorted([acme.olive, acme.mo])}
    assert subscribers == [
        ({**peers, "stream_ids": [stream_id]}, [acme.gus]) for stream_id in (private, left)
    ]

    acme.change(zerver_userprofile, acme.gus, role=Role.GUEST)
    gone = acme.told("user.role_changed", acme.gus, old={"role": 200}, new={"role": 600})[-1]
    streams = [{"stream_id": private}, {"stream_id": left}]
    ids = {"streams": streams, "stream_ids": [private, left]}
    assert gone == ({"type": "stream", "op": "delete", **ids}, [acme.gus])


def test_changes_of_the_organization(acme: Acme) -> None:
    realm = {"type": "realm"}
    deactivated = {**realm, "op": "deactivated", "realm_id": acme.realm_id}
    renamed = {**realm, "op": "update", "property": "name", "value": "Acme Realm"}
    methods = {
        "Email": {"enabled": True, "available": True},
        "LDAP": {"enabled": False, "available": True},
    }
    login = {**realm, "op": "update_dict", "property": "default"}
    login |= {"data": {"authentication_methods": methods}}  # type: ignore[dict-item]
    new = {"authentication_methods": {"Email": True, "LDAP": False}}

    assert acme.told("realm.deactivated") == [(deactivated, acme.everybody)]
    assert acme.told("realm.renamed") == [(renamed, acme.everybody)]
    assert acme.told("realm.auth_changed", new=new) == [(login, acme.everybody)]
    for kind in ("realm.created", "realm.imported", "realm.reactivated", "realm.deleted"):
        assert acme.told(kind) == []


def test_a_new_channel(acme: Acme) -> None:
    public, private, web_public = acme.streams
    acme.change(zerver_stream, private, invite_only=True)
    acme.change(zerver_stream, web_public, is_web_public=True)
    acme.change(zerver_stream, public, date_created=JOINED, description="d", creator_id=acme.mo)
    for stream_id in acme.streams:
        acme.leave(acme.gus, stream_id)
    acme.leave(acme.mo, private)

    told = acme.told("channel.created", stream_ids=acme.streams)

    defaults = {"type": "default_streams", "default_streams": acme.streams}
    assert told.pop() == (defaults, sorted([acme.olive, acme.mo]))
    assert [users for _, users in told] == [
        sorted([acme.olive, acme.mo]),
        [acme.olive],
        acme.everybody,
    ]
    event = told[0][0]
    assert {name: event[name] for name in ("type", "op")} == {"type": "stream", "op": "create"}
    (channel,) = event["streams"]
    with acme.database.read() as connection:
        row = (
            connection.execute(sa.select(zerver_stream).where(zerver_stream.c.id == public))
            .mappings()
            .one()
        )
    assert channel == {
        "stream_id": public,
        "name": row["name"],
        "description": "d",
        "rendered_description": row["rendered_description"],
        "date_created": int(JOINED.timestamp()),
        "creator_id": acme.mo,
        "first_message_id": row["first_message_id"],
        "history_public_to_subscribers": True,
        "invite_only": False,
        "is_announcement_only": False,
        "is_archived": False,
        "is_recently_active": True,
        "is_web_public": False,
        "message_retention_days": None,
        "stream_post_policy": 1,
        "stream_weekly_traffic": None,
        **{name.removesuffix("_id"): row[name] for name in CHANNEL_GROUP_SETTINGS},
    }


def test_a_permission_of_its_own(acme: Acme) -> None:
    own = acme.unnamed_group(acme.mo, acme.gus)
    acme.change(zerver_userprofile, acme.gus, is_active=False)  # and so not told of
    public = acme.streams[0]
    with acme.database.begin() as connection:
        connection.execute(sa.delete(zerver_defaultstream))
    acme.change(
        zerver_stream,
        public,
        can_subscribe_group_id=own,
        can_send_message_group_id=acme.groups["role:administrators"],
    )
    ((event, _),) = acme.told("channel.created", stream_ids=[public])
    (channel,) = event["streams"]
    assert channel["can_subscribe_group"] == {
        "direct_members": [acme.mo],
        "direct_subgroups": [],
    }
    assert (channel["stream_post_policy"], channel["is_announcement_only"]) == (2, True)


def test_new_subscribers(acme: Acme) -> None:
    public, private, _ = acme.streams
    acme.change(zerver_stream, private, invite_only=True)
    acme.leave(acme.mo, private)

    told = acme.told("channel.subscribed", acme.gus, stream_ids=[public, private])

    assert [(event["type"], event["op"], users) for event, users in told] == [
        ("stream", "create", [acme.gus]),
        ("stream", "create", [acme.gus]),
        ("subscription", "add", [acme.gus]),
        ("subscription", "peer_add", sorted([acme.olive])),
        ("subscription", "peer_add", sorted([acme.olive, acme.mo])),
    ]
    subscriptions = told[2][0]["subscriptions"]
    assert [each["stream_id"] for each in subscriptions] == [public, private]
    assert subscriptions[0]["subscribers"] == acme.everybody
    assert subscriptions[0]["in_home_view"] is True
    assert subscriptions[0]["color"].startswith("#")
    assert [event["stream_ids"] for event, _ in told[3:]] == [[private], [public]]


class TestTornado:
    """Which process serves an organization."""

    @staticmethod
    def settings(
        folder: Path, ports: list[int], sharding: str = "", host: str = "h.test"
    ) -> Settings:
        text = f"[server]\ntornado_ports = {ports}\n"
        if sharding:
            (folder / "sharding.json").write_text(sharding)
            text += 'tornado_sharding = "sharding.json"\n'
        (folder / "zops.toml").write_text(text)
        environ = {"HOME": str(folder), "ZOPS_EXTERNAL_HOST": host}
        return Settings.load({}, environ, folder)

    def test_there_is_but_one(self, tmp_path: Path) -> None:
        one = self.settings(tmp_path, [9800], host="")
        assert organization_queues(one, "acme") == queue_names(one.tornado_ports)
        assert queue_names([]) == ["notify_tornado"]

    def test_each_organization_has_its_own(self, tmp_path: Path) -> None:
        sharding = (
            '{"shard_map": {"acme.h.test": 9801, "h.test": [9802, 9803]},'
            ' "shard_regexes": [["^big.*", 9804]]}'
        )
        several = self.settings(tmp_path, [9800, 9801, 9802, 9803, 9804], sharding)
        served = {name: organization_queues(several, name) for name in ("acme", "", "BIG", "new")}
        assert served == {
            "acme": ["notify_tornado_port_9801"],
            "": ["notify_tornado_port_9802", "notify_tornado_port_9803"],
            "BIG": ["notify_tornado_port_9804"],
            "new": ["notify_tornado_port_9800"],
        }

    @pytest.mark.parametrize("sharding", ["{", "[1]", '{"acme.h.test": "x"}'])
    def test_the_file_is_not_as_the_server_writes_it(self, tmp_path: Path, sharding: str) -> None:
        with pytest.raises(Refused, match=r"sharding\.json"):
            organization_queues(self.settings(tmp_path, [1, 2], sharding), "acme")

    def test_the_host_is_not_known(self, tmp_path: Path) -> None:
        with pytest.raises(Refused, match="host name"):
            organization_queues(self.settings(tmp_path, [1, 2], host=""), "acme")
