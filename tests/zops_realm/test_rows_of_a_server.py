"""Every row in every table is what a server writes, but for what is listed with its reason."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zops_realm.normalized_rows import (
    added,
    all_rows,
    changed,
    normalized,
    renamed,
    server_rows,
)
from tests.zops_realm.server_differences import MADE_BY_ZOPS, expected
from zcore.database import Database
from zcore.organizations.system_bots import WELCOME_BOT
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zops_realm.normalized_rows import Row, Rows
    from zcore.testing.commands import Zops

HOST = {"ZOPS_EXTERNAL_HOST": "peer.example.test"}
PASSWORD = "a password that is long"  # noqa: S105
FIRST = ("create-realm", "First Realm", "olive@example.test", "Olive Owner", "--string-id=first")
THIRD = ("create-realm", "Third Realm", "tom@example.test", "Tom Third", "--string-id=third")
NEWCOMER = ("create-user", "nora@example.test", "Nora New", "-r", "first")
# The server's second organization and its user, by other names: these are taken in its dump.
AS_THIRD = {
    "Second Realm": "Third Realm",
    "sol@example.test": "tom@example.test",
    "Sol Second": "Tom Third",
    '"second"': '"third"',
    "second/": "third/",
    "second.": "third.",
}
AS_NEWCOMER = {"una@example.test": "nora@example.test", "Una User": "Nora New"}


def run(zops: Zops, *arguments: str) -> None:
    zops(*arguments, "--password-stdin", stdin=PASSWORD, env=HOST)


def compare(before: Rows, after: Rows, wanted: Rows) -> None:
    found = normalized(added(before, after), after)
    assert found.keys() == wanted.keys()
    for table, rows in wanted.items():
        assert len(found[table]) == len(rows), table
        for ours, servers in zip(found[table], rows, strict=True):
            assert different(ours, servers) == different(servers, ours), table
    assert changed(before, after) == {}


def different(row: Row, other: Row) -> Row:
    """The columns of `row` that `other` has not, or has otherwise."""
    return {column: value for column, value in row.items() if other.get(column) != value}


def rows_of_unknown_tables(database: Database) -> dict[str, int]:
    """How many rows the tables have that zops has no description of."""
    with database.read() as connection:
        names = sa.inspect(connection).get_table_names()
        counts = {name: sa.select(sa.func.count()).select_from(sa.table(name)) for name in names}
        return {name: connection.scalar(counts[name]) or 0 for name in names if name not in tables}


def since_then(audit_log: list[Row]) -> None:
    """The dump was made later than the rows: Una had joined, and the second realm had its owner."""
    audit_log[0]["extra_data"]["10"]["11"]["400"] += 1
    for row in audit_log:
        if "event_last_message_id" in row:
            row["event_last_message_id"] = "recipient sol@example.test >  #1"


def test_the_first_organization_on_an_empty_database(zops_here: Zops, database: Database) -> None:
    before = all_rows(database)

    run(zops_here, *FIRST)

    wanted = expected(server_rows("first organization"), MADE_BY_ZOPS)
    compare(before, all_rows(database), wanted)


def test_a_user_of_an_organization_that_zops_made(zops_here: Zops, database: Database) -> None:
    run(zops_here, *FIRST)
    before = all_rows(database)

    run(zops_here, *NEWCOMER)

    compare(before, all_rows(database), expected(renamed(server_rows("user"), AS_NEWCOMER)))


@pytest.mark.parametrize(
    ("command", "what", "names"),
    [(THIRD, "organization", AS_THIRD), (NEWCOMER, "user", AS_NEWCOMER)],
    ids=["organization", "user"],
)
def test_on_the_database_of_a_server(
    command: tuple[str, ...],
    what: str,
    names: dict[str, str],
    zops: Zops,
    restored_dump: Callable[[str], str],
) -> None:
    url = restored_dump("zulip10-base")
    zops.environment["ZOPS_DATABASE"] = url
    with closing(Database.connect(url)) as database:
        before, unknown = all_rows(database), rows_of_unknown_tables(database)

        run(zops, *command)

        wanted = renamed(server_rows(what), names)
        if what == "user":
            since_then(wanted["zerver_realmauditlog"])
        compare(before, all_rows(database), expected(wanted))
        assert rows_of_unknown_tables(database) == unknown


def test_bare_leaves_out_messages_and_mails(zops_here: Zops, database: Database) -> None:
    zops_here(*FIRST, "--no-password", "--bare", env=HOST)
    zops_here(*NEWCOMER, "--no-password", "--bare", env=HOST)

    rows = all_rows(database)
    for table in (
        "zerver_message",
        "zerver_usermessage",
        "zerver_onboardingusermessage",
        "zerver_reaction",
        "zerver_scheduledemail",
        "zerver_scheduledemail_users",
        "confirmation_confirmation",
    ):
        assert rows[table] == [], table
    assert len(rows["zerver_onboardingstep"]) == 2
    assert {row["first_message_id"] for row in rows["zerver_stream"]} == {None}
    subscribed = [row for row in rows["zerver_realmauditlog"] if row["event_type"] == 301]
    assert {row["event_last_message_id"] for row in subscribed} == {-1}


def test_without_a_host_there_are_messages_and_no_mails(
    zops_on_sqlite: Zops, sqlite_database: Database
) -> None:
    zops_on_sqlite(*FIRST, "--no-password")

    rows = all_rows(sqlite_database)
    bots = [user for user in rows["zerver_userprofile"] if user["delivery_email"] == WELCOME_BOT]
    assert {row["sender_id"] for row in rows["zerver_message"]} == {bots[0]["id"]}
    assert len(rows["zerver_message"]) == 13
    assert rows["zerver_scheduledemail"] == rows["confirmation_confirmation"] == []
