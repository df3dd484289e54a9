"""Indexes that an import makes after its rows are those that there were, whatever happens."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema import tables
from zops_export.import_indexes import BIG_TABLES, indexes_last, mostly_new

if TYPE_CHECKING:
    from zcore.database import Database

MANY = dict.fromkeys(BIG_TABLES, 1000)


def definitions(connection: sa.Connection) -> set[tuple[str, str]]:
    """The indexes of the two big tables, as they were made."""
    query = sa.text("SELECT name, sql, tbl_name FROM sqlite_master WHERE type = 'index'")
    return {(name, sql) for name, sql, table in connection.execute(query) if table in BIG_TABLES}


def test_indexes_come_back_as_they_were(sqlite_database: Database) -> None:
    with sqlite_database.begin() as connection:
        before = definitions(connection)
        with indexes_last(connection, MANY):
            during = definitions(connection)
        assert definitions(connection) == before
    names = {name for name, _ in before - during}
    assert "zerver_message_realm_upper_subject" in names
    assert "zerver_usermessage_unread_message_id" in names


def test_what_finds_the_rows_of_a_message_stays(sqlite_database: Database) -> None:
    with sqlite_database.begin() as connection, indexes_last(connection, MANY):
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT id FROM zerver_usermessage WHERE message_id = 1"
        ).all()
    assert "USING COVERING INDEX" in str(plan) or "USING INDEX" in str(plan)


def test_a_failure_leaves_them_to_the_rollback(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        before = definitions(connection)
    with (
        suppress(ZeroDivisionError),
        sqlite_database.begin() as connection,
        indexes_last(connection, MANY),
    ):
        raise ZeroDivisionError
    with sqlite_database.read() as connection:
        assert definitions(connection) == before


def test_where_nothing_comes_they_stay(sqlite_database: Database) -> None:
    with sqlite_database.begin() as connection:
        before = definitions(connection)
        with indexes_last(connection, {}):
            assert definitions(connection) == before


def test_a_table_is_mostly_new_when_more_rows_come_than_are_there(
    sqlite_database: Database,
) -> None:
    clients = tables["zerver_client"]
    with sqlite_database.begin() as connection:
        connection.execute(sa.insert(clients), [{"name": f"client {n}"} for n in range(3)])
        there = connection.scalar(sa.select(sa.func.count()).select_from(clients)) or 0
        assert not mostly_new(connection, clients, there)
        assert mostly_new(connection, clients, there + 1)
