"""Exports of other versions of the server, and of its converters, come in all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_export.converting import write_converted
from tests.zops_export.spoiling import change_json, refuse
from zcore.organizations.group_settings import CHANNEL_GROUP_SETTINGS, REALM_GROUP_SETTINGS
from zcore.organizations.system_groups import (
    ADMINISTRATORS,
    DESCRIPTIONS,
    EVERYONE,
    MEMBERS,
    MODERATORS,
    NOBODY,
)
from zcore.schema import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from tests.zops_export.spoiling import Row, Watched
    from zcore.database import Database
    from zcore.testing.plugins import TemporaryPlugins

Tables = dict[str, list["Row"]]


class Imported:
    """What an organization has in the database, by names."""

    def __init__(self, connection: sa.Connection, realm_id: int) -> None:
        self.connection = connection
        self.realm_id = realm_id
        named = tables["zerver_namedusergroup"].c
        query = sa.select(named.usergroup_ptr_id, named.name).where(named.realm_id == realm_id)
        by_id = query.order_by(named.usergroup_ptr_id)
        self.groups: dict[int, str] = dict(connection.execute(by_id).all())

    def rows(self, table: str, **where: Any) -> list[sa.RowMapping]:
        """The rows of a table that have these values."""
        found = tables[table]
        query = sa.select(found).order_by(*found.primary_key)
        for column, value in where.items():
            query = query.where(found.c[column] == value)
        return list(self.connection.execute(query).mappings())

    def of_realm(self, table: str) -> list[sa.RowMapping]:
        """The rows of a table that say which organization they are of."""
        return self.rows(table, realm_id=self.realm_id)

    def realm(self) -> sa.RowMapping:
        """Its own row."""
        (row,) = self.rows("zerver_realm", id=self.realm_id)
        return row

    def channel(self, name: str) -> sa.RowMapping:
        """The channel of that name."""
        (row,) = self.rows("zerver_stream", realm_id=self.realm_id, name=name)
        return row


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """The folder of an export that a converter made."""
    return write_converted(tmp_path / "converted")


def test_what_a_converter_made(database: Database, zops_here: ZopsHere, converted: Path) -> None:
    zops = zops_here.on(database)
    assert zops("--json", "verify", converted).json()["problems"] == []
    plan = zops("--json", "import", "acme", converted, "--dry-run").json()
    assert plan["versions"]["export"] == "10.0"
    assert plan["adapted"]["realm-permissions"] == 1
    assert plan["adapted"]["channel-permissions"] == 2
    assert plan["defaulted"]["zerver_userprofile.timezone"] == 4
    done = zops("--json", "import", "acme", converted).json()
    with database.read() as connection:
        imported = Imported(connection, done["realm_id"])
        _assert_permissions(imported)
        _assert_people(imported)
        _assert_messages(imported)
        assert len(imported.of_realm("zerver_realmuserdefault")) == 1
        assert [row["last_update_id"] for row in imported.of_realm("zerver_presencesequence")] == [
            0
        ]
    zops("export", "-r", "acme", "--output", converted.parent / "again")
    assert zops("--json", "verify", converted.parent / "again").json()["problems"] == []


def _assert_permissions(imported: Imported) -> None:
    assert list(imported.groups.values()) == list(DESCRIPTIONS)
    realm = imported.realm()
    assert {column: imported.groups[realm[column]] for column in REALM_GROUP_SETTINGS} == (
        REALM_GROUP_SETTINGS
    )
    assert realm["uuid_owner_secret"].startswith("zuliprealm_")
    town, news = imported.channel("town"), imported.channel("news")
    assert {column: imported.groups[town[column]] for column in CHANNEL_GROUP_SETTINGS} == (
        CHANNEL_GROUP_SETTINGS
    )
    assert imported.groups[news["can_send_message_group_id"]] == MODERATORS
    assert town["rendered_description"] == "<p>Talk &amp; &lt;more&gt;</p>"


def _assert_people(imported: Imported) -> None:
    people = {row["id"]: row for row in imported.of_realm("zerver_userprofile")}
    names = {ident: row["full_name"] for ident, row in people.items()}
    members = {
        (imported.groups[row["user_group_id"]], names[row["user_profile_id"]])
        for row in imported.rows("zerver_usergroupmembership")
        if row["user_group_id"] in imported.groups
    }
    assert members == {
        ("role:owners", "olga"),
        ("role:administrators", "adam"),
        ("role:members", "mia"),
        ("role:fullmembers", "mia"),
        ("role:everyone", "guy"),
    }
    recipients = {row["id"]: row for row in imported.rows("zerver_recipient")}
    for row in (*people.values(), imported.channel("town"), imported.channel("news")):
        assert recipients[row["recipient_id"]]["type_id"] == row["id"]
    (emoji,) = imported.of_realm("zerver_realmemoji")
    assert names[emoji["author_id"]] == "olga"
    assert all(row["password"].startswith("!") for row in people.values())
    joined = imported.rows("zerver_realmauditlog", realm_id=imported.realm_id, event_type=301)
    assert len(joined) == 2 * len(people)


def _assert_messages(imported: Imported) -> None:
    """Their numbers follow the time, as the server reads them."""
    messages = imported.of_realm("zerver_message")
    assert [row["date_sent"] for row in messages] == sorted(row["date_sent"] for row in messages)
    assert [row["is_channel_message"] for row in messages] == [True, False, True]
    for row in messages:
        assert row["content"] == f"sent at {int(row['date_sent'].timestamp())}"
        owned = imported.rows("zerver_usermessage", message_id=row["id"])
        assert len(owned) == 3
    (group,) = imported.rows("zerver_huddle")
    assert len(group["huddle_hash"]) == 40
    assert group["recipient_id"] is not None


def test_messages_keep_their_order_when_nothing_else_is_said(
    zops_here: ZopsHere, sqlite_database: Database, tmp_path: Path
) -> None:
    path = write_converted(tmp_path / "converted", sort_by_date=False)
    done = zops_here.on(sqlite_database)("--json", "import", "acme", path).json()
    with sqlite_database.read() as connection:
        messages = Imported(connection, done["realm_id"]).of_realm("zerver_message")
        assert [row["is_channel_message"] for row in messages] == [True, True, False]


# Older versions ---------------------------------------------------------------------------------


def _older(tables: Tables) -> None:
    """As a server before 9.0 writes the organization, its channels and groups."""
    (realm,) = tables["zerver_realm"]
    for column in REALM_GROUP_SETTINGS:
        del realm[column.removesuffix("_id")]
    realm |= {
        "create_public_stream_policy": 2,
        "create_private_stream_policy": 1,
        "edit_topic_policy": 6,
        "wildcard_mention_policy": 7,
        "private_message_policy": 2,
        "user_group_edit_policy": 4,
        "allow_edit_history": False,
        "notifications_stream": realm.pop("new_stream_announcements_stream"),
    }
    del realm["message_edit_history_visibility_policy"]
    for channel in tables["zerver_stream"]:
        for column in CHANNEL_GROUP_SETTINGS:
            channel.pop(column.removesuffix("_id"))
        channel["stream_post_policy"] = 2
    named = {row["id"]: row for row in tables.pop("zerver_namedusergroup")}
    for group in tables["zerver_usergroup"]:
        if row := named.get(group["id"]):
            group |= {key: row[key] for key in ("description", "is_system_group")}
            group["name"] = f"@{row['name']}" if row["is_system_group"] else row["name"]
    tables["zerver_userhotspot"] = [
        {
            "id": row["id"],
            "user": row["user"],
            "hotspot": row["onboarding_step"],
            "timestamp": row["timestamp"],
        }
        for row in tables.pop("zerver_onboardingstep")
    ]


def test_an_older_version(database: Database, zops_here: ZopsHere, light_copy: Path) -> None:
    before: Tables = {}

    def change(tables: Tables) -> None:
        before.update({name: list(rows) for name, rows in tables.items()})
        _older(tables)

    change_json(light_copy / "realm.json", change)
    (light_copy / "stats.json").unlink()
    change_json(light_copy / "migration_status.json", lambda said: said | {"zulip_version": "8.4"})
    assert zops_here("--json", "verify", light_copy).json()["problems"] == []
    done = zops_here.on(database)("--json", "import", "acme", light_copy).json()
    with database.read() as connection:
        imported = Imported(connection, done["realm_id"])
        assert sorted(imported.groups.values()) == sorted(
            row["name"] for row in before["zerver_namedusergroup"]
        )
        realm = imported.realm()
        assert {
            setting: imported.groups[realm[f"{setting}_id"]]
            for setting in (
                "can_create_public_channel_group",
                "can_create_private_channel_group",
                "can_move_messages_between_topics_group",
                "can_resolve_topics_group",
                "can_mention_many_users_group",
                "direct_message_permission_group",
                "can_create_groups",
                "can_manage_all_groups",
            )
        } == {
            "can_create_public_channel_group": ADMINISTRATORS,
            "can_create_private_channel_group": MEMBERS,
            "can_move_messages_between_topics_group": NOBODY,
            "can_resolve_topics_group": NOBODY,
            "can_mention_many_users_group": MODERATORS,
            "direct_message_permission_group": NOBODY,
            "can_create_groups": MODERATORS,
            "can_manage_all_groups": ADMINISTRATORS,
        }
        assert realm["message_edit_history_visibility_policy"] == 3
        for channel in imported.of_realm("zerver_stream"):
            assert imported.groups[channel["can_send_message_group_id"]] == ADMINISTRATORS
        steps = imported.rows("zerver_onboardingstep")
        assert len(steps) == len(before["zerver_onboardingstep"])
        own = [
            row
            for row in imported.rows("zerver_namedusergroup", realm_id=imported.realm_id)
            if not row["is_system_group"]
        ]
        assert all(imported.groups[row["can_leave_group_id"]] == EVERYONE for row in own)


# Plugins ----------------------------------------------------------------------------------------

ADAPTERS = """
from zcore import ImportAdapter, hookimpl

@hookimpl
def zops_import_adapters():
    return [
        ImportAdapter("acme-colours", "zerver_stream", "dist_of_other.older:colour",
                      takes=("colour",), gives=("description",)),
        ImportAdapter("acme-notes", "acme_notes", "dist_of_other.older:note",
                      takes=("note",), into="zerver_savedsnippet"),
    ]
"""
OLDER = """
def colour(row, export):
    return {"description": f"{export.realm['name']}: {row['colour']}"}

def note(row, export):
    return [{"id": row["id"], "realm": export.realm["id"], "user_profile": row["user"],
             "title": "note", "content": row["note"], "date_created": 1700000000}]
"""
BROKEN = "def colour(row, export):\n    raise ValueError('no such colour')\n\nnote = None\n"


def _of_acme(tables: Tables) -> None:
    for channel in tables["zerver_stream"]:
        channel["colour"] = "red"
        channel["description"] = None
    user = tables["zerver_userprofile"][0]["id"]
    tables["acme_notes"] = [{"id": 1, "user": user, "note": "buy milk"}]


def test_adapters_of_others(
    database: Database,
    zops_here: ZopsHere,
    light_copy: Path,
    temporary_plugins: TemporaryPlugins,
) -> None:
    change_json(light_copy / "realm.json", _of_acme)
    temporary_plugins.install("other", ADAPTERS, older=OLDER)
    zops = zops_here.on(database)
    done = zops("--json", "import", "acme", light_copy).json()
    with database.read() as connection:
        imported = Imported(connection, done["realm_id"])
        for channel in imported.of_realm("zerver_stream"):
            assert channel["description"] == "Small Realm: red"
        notes = [row["content"] for row in imported.of_realm("zerver_savedsnippet")]
        assert "buy milk" in notes


def test_an_adapter_that_fails_is_named(
    zops_here: ZopsHere,
    watched: Watched,
    light_copy: Path,
    temporary_plugins: TemporaryPlugins,
) -> None:
    change_json(light_copy / "realm.json", _of_acme)
    temporary_plugins.install("other", ADAPTERS, older=BROKEN)
    said = refuse(zops_here, "import", "acme", light_copy, watched=watched)
    assert "the adapter 'acme-colours' of plugin 'other'" in said
    assert "no such colour" in said


def test_what_cannot_be_mapped_is_refused(
    zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    """No server's default says when a message was sent."""

    def change(tables: Tables) -> None:
        for row in tables["zerver_message"]:
            del row["date_sent"]

    change_json(light_copy / "messages-000001.json", change)
    refuse(zops_here, "import", "acme", light_copy, about="date_sent", watched=watched)


def test_who_is_which_recipient_stands_in_the_recipients(
    zops_here: ZopsHere, database: Database, light_copy: Path
) -> None:
    """Where the rows of channels and people do not say it, as those of converters."""

    def change(rows: Tables) -> None:
        for table in ("zerver_stream", "zerver_userprofile", "zerver_huddle"):
            for row in rows[table]:
                row["recipient"] = None

    change_json(light_copy / "realm.json", lambda rows: change(rows))
    zops_here.on(database)("import", "acme", light_copy)
    with database.read() as connection:
        for name in ("zerver_stream", "zerver_huddle"):
            lost = sa.select(tables[name].c.id).where(tables[name].c.recipient_id.is_(None))
            assert connection.execute(lost).first() is None
