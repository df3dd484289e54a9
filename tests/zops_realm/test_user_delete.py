"""`zops user delete`: what was somebody's own goes, what is others' stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.sessions_of_django import log_in
from tests.zops_realm.normalized_rows import all_rows
from zcore.organizations.inserts import insert_returning_id, insert_rows
from zcore.schema import tables
from zcore.testing.plugins import hooks
from zops_realm.user_delete import delete_user

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Change, Context
    from zcore.database import Database
    from zcore.testing.commands import Zops

HOST = {"ZOPS_EXTERNAL_HOST": "chat.test"}
MO = ("-r", "acme", "mo@a.test")


@pytest.fixture
def zops_with_mo(zops_here: Zops, database: Database) -> Zops:
    """An organization with Mo, who was greeted, has written, and talks with two others."""
    return _with_mo(zops_here, database)


@pytest.fixture
def sqlite_with_mo(zops_on_sqlite: Zops, sqlite_database: Database) -> Zops:
    """The same on SQLite only."""
    return _with_mo(zops_on_sqlite, sqlite_database)


def _with_mo(zops: Zops, database: Database) -> Zops:
    zops.environment |= HOST
    zops("create-realm", "A", "o@a.test", "Ol O", "--string-id=acme", "--no-password")
    zops("create-user", "mo@a.test", "Mo Lee", "-r", "acme", "--no-password")
    zops("user", "change-name", *MO, "Mo Moore")
    mo = row_of(database, "zerver_userprofile", "delivery_email", "mo@a.test")
    with database.begin() as connection:
        _write(connection, mo)
        _join_group_conversation(connection, mo)
    return zops


def row_of(database: Database, table: str, column: str, value: object) -> dict[str, Any]:
    (found,) = [row for row in all_rows(database)[table] if row[column] == value]
    return found


def mine(database: Database, table: str, user_id: int, column: str = "user_profile_id") -> int:
    return sum(row[column] == user_id for row in all_rows(database)[table])


def test_the_row_says_nobody(zops_with_mo: Zops, database: Database) -> None:
    before = row_of(database, "zerver_userprofile", "delivery_email", "mo@a.test")

    result = zops_with_mo("--json", "user", "delete", *MO, "--yes").json()

    after = row_of(database, "zerver_userprofile", "id", before["id"])
    address = f"deleteduser{before['id']}@acme.chat.test"
    assert (after["delivery_email"], after["email"]) == (address, address)
    assert after["full_name"] == f"Deleted User {before['id']}"
    assert (after["is_active"], after["is_mirror_dummy"]) == (False, True)
    assert after["password"].startswith("!")
    for column in ("api_key", "uuid", "password"):
        assert after[column] != before[column]
    for column in ("date_joined", "recipient_id", "realm_id"):
        assert after[column] == before[column]
    assert (result["messages_kept"], result["removed"]["zerver_usermessage"]) == (1, 13)


def test_what_others_have_stays(zops_with_mo: Zops, database: Database) -> None:
    mo = row_of(database, "zerver_userprofile", "delivery_email", "mo@a.test")["id"]
    messages = all_rows(database)["zerver_message"]

    zops_with_mo("user", "delete", *MO, "--yes")

    assert all_rows(database)["zerver_message"] == messages
    for table in ("zerver_usermessage", "zerver_usergroupmembership", "zerver_onboardingstep"):
        column = "user_id" if table == "zerver_onboardingstep" else "user_profile_id"
        assert mine(database, table, mo, column) == 0, table
    (left,) = [
        row for row in all_rows(database)["zerver_subscription"] if row["user_profile_id"] == mo
    ]
    assert (left["active"], left["is_user_active"]) == (True, False)
    assert mine(database, "zerver_scheduledemail_users", mo, "userprofile_id") == 0


def test_the_log_keeps_what_happened_but_not_to_whom(
    sqlite_with_mo: Zops, sqlite_database: Database
) -> None:
    mo = row_of(sqlite_database, "zerver_userprofile", "delivery_email", "mo@a.test")["id"]

    sqlite_with_mo("user", "delete", *MO, "--yes")

    log = [
        row
        for row in all_rows(sqlite_database)["zerver_realmauditlog"]
        if mo == row["modified_user_id"]
    ]
    assert [row["event_type"] for row in log[-3:]] == [124, 103, 107]
    assert log[-3]["extra_data"] == {}
    assert log[-2]["extra_data"]["10"]["11"]["400"] == 0


def test_plugins_are_told_once(
    sqlite_with_mo: Zops, sqlite_database: Database, context_of: Callable[..., Context]
) -> None:
    mo = row_of(sqlite_database, "zerver_userprofile", "delivery_email", "mo@a.test")
    sqlite_with_mo("create-user", "bo@a.test", "Bo Bot", "-r", "acme", "--no-password", "--bare")
    bot = row_of(sqlite_database, "zerver_userprofile", "delivery_email", "bo@a.test")["id"]
    users = tables["zerver_userprofile"]
    with sqlite_database.begin() as connection:
        of_mo = {"is_bot": True, "bot_type": 1, "bot_owner_id": mo["id"]}
        connection.execute(sa.update(users).where(users.c.id == bot).values(**of_mo))
    log_in(sqlite_database, mo["id"], "here")
    told: list[Change] = []
    listener = hooks(zops_committed=lambda change: told.append(change))
    context = context_of(sqlite_database, {"x": listener}, external_host="chat.test")

    delete_user(context, "acme", "mo@a.test", is_sure=True)

    assert [(change.kind, change.user_ids) for change in told] == [
        ("user.deactivated", (bot,)),
        ("user.deleted", (mo["id"],)),
    ]
    details = dict(told[1].details)
    assert len(details.pop("recipient_ids")) == 5  # type: ignore[arg-type]  # three channels, a group
    assert details == {
        "old": {name: mo[name] for name in ("email", "delivery_email", "api_key")},
        "invitations_ended": 0,
        "session_keys": ["here"],
    }


def test_it_asks_first_and_a_dry_run_counts(
    sqlite_with_mo: Zops, sqlite_database: Database
) -> None:
    before = all_rows(sqlite_database)

    sqlite_with_mo("--json", "user", "delete", *MO, check=False).assert_refused("no-terminal")
    counted = sqlite_with_mo("--json", "user", "delete", *MO, "--dry-run").json()

    assert (counted["dry_run"], counted["messages_kept"]) == (True, 1)
    assert all_rows(sqlite_database) == before


def test_deleted_once_is_enough(sqlite_with_mo: Zops, sqlite_database: Database) -> None:
    mo = row_of(sqlite_database, "zerver_userprofile", "delivery_email", "mo@a.test")["id"]
    sqlite_with_mo("user", "deactivate", *MO)
    sqlite_with_mo("user", "delete", *MO, "--yes")
    again = ("-r", "acme", f"id:{mo}")

    sqlite_with_mo("--json", "user", "delete", *again, "--yes", check=False).assert_refused(
        "user-deleted"
    )
    sqlite_with_mo("--json", "user", "reactivate", *again, check=False).assert_refused(
        "user-placeholder"
    )


def _write(connection: sa.Connection, mo: dict[str, Any]) -> None:
    messages = tables["zerver_message"]
    greeting = connection.execute(
        sa.select(messages).order_by(messages.c.id.desc()).limit(1)
    ).mappings()
    row = {name: value for name, value in greeting.one().items() if name != "id"}
    insert_rows(connection, messages, [row | {"sender_id": mo["id"], "content": "hi"}])


def _join_group_conversation(connection: sa.Connection, mo: dict[str, Any]) -> None:
    group = {"huddle_hash": "h" * 40, "group_size": 3}
    group_id = insert_returning_id(connection, tables["zerver_huddle"], group)
    recipient = {"type": 3, "type_id": group_id}
    recipient_id = insert_returning_id(connection, tables["zerver_recipient"], recipient)
    row = {"user_profile_id": mo["id"], "recipient_id": recipient_id, "is_user_active": True}
    insert_rows(connection, tables["zerver_subscription"], [row])
