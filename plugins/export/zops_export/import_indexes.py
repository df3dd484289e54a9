"""Indexes of a SQLite file made after its rows, which is much quicker than row by row.

Nobody else can write meanwhile, and readers see the file as it was: the transaction of an import
holds the write lock.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema import tables
from zops_export.row_kinds import MESSAGES, USER_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BIG_TABLES = (MESSAGES, USER_MESSAGES)

# Those of no constraint, with the statement that made each and the first thing that it sorts by.
INDEXES = sa.text(
    "SELECT made.name, made.sql, first.name FROM pragma_index_list(:name) AS listed"
    " JOIN sqlite_master AS made ON made.type = 'index' AND made.name = listed.name"
    " JOIN pragma_index_info(listed.name) AS first ON first.seqno = 0"
    ' WHERE made.sql IS NOT NULL AND NOT listed."unique" ORDER BY made.name'
)


@contextmanager
def indexes_last(connection: sa.Connection, coming: Mapping[str, int]) -> Iterator[None]:
    """Write rows of messages and user messages here: their indexes come back at the end.

    `coming` says how many there will be. Where a table has more already its indexes stay, and so
    they do on PostgreSQL, whose other users need them. When an exception ends the block, the
    transaction that has to be rolled back then has the indexes.
    """
    definitions = []
    if connection.dialect.name == "sqlite":
        definitions = [
            definition
            for name in BIG_TABLES
            if mostly_new(connection, tables[name], coming.get(name, 0))
            for definition in _dropped(connection, tables[name])
        ]
    yield
    for definition in definitions:
        connection.exec_driver_sql(definition)


def mostly_new(connection: sa.Connection, table: sa.Table, coming: int) -> bool:
    """Will more than half of the rows of `table` be new, when so many are coming?"""
    some = sa.select(sa.literal(1)).select_from(table).limit(coming).subquery()
    there = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return there < coming


def _dropped(connection: sa.Connection, table: sa.Table) -> Iterator[str]:
    """Drop indexes of `table`; the statements that make them again."""
    quote = connection.dialect.identifier_preparer.quote
    needed = _columns_of_children(table)
    for name, definition, first_column in connection.execute(INDEXES, {"name": table.name}).all():
        if first_column not in needed:
            connection.exec_driver_sql(f"DROP INDEX {quote(name)}")
            yield definition


def _columns_of_children(table: sa.Table) -> set[str]:
    """Columns that lead to a big table.

    For each new message SQLite looks whether rows waited for it; without an index of the column it
    would look at all of them.
    """
    keys = table.foreign_keys
    return {key.parent.name for key in keys if key.column.table.name in BIG_TABLES}
