"""Indexes and foreign keys that step aside while very many rows come in, on PostgreSQL.

Building an index over all rows at once, and comparing two tables once, costs a fraction of what
it costs to do that row by row. It needs the tables for itself until the transaction ends, and
everything happens inside of that: whatever goes wrong, they are as they were. What keeps rows
unique stays all the time. SQLite gains too little by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOCK_TIMEOUT_SECONDS = 1
# PostgreSQL's codes: a lock was not to be had, rows wait to be checked, the tables are not ours.
NOT_NOW = frozenset({"55P03", "55006", "42501"})

INDEXES = sa.text(
    """
    SELECT format('DROP INDEX %I.%I', space.nspname, class.relname), pg_get_indexdef(class.oid)
    FROM pg_index AS entry
    JOIN pg_class AS class ON class.oid = entry.indexrelid
    JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE entry.indrelid = CAST(:name AS regclass) AND entry.indisvalid
        AND NOT entry.indisunique AND NOT entry.indisclustered AND class.reltablespace = 0
    ORDER BY class.relname
    """
)
FOREIGN_KEYS = sa.text(
    """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
               pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE conrelid = CAST(:name AS regclass) AND contype = 'f' AND convalidated
    ORDER BY conname
    """
)


@dataclass(frozen=True, slots=True)
class SetAside:
    """What stepped aside, as the statements that bring it back."""

    connection: sa.Connection
    statements: Sequence[str]

    def put_back(self, may_go_on: Callable[[], None] = lambda: None) -> None:
        """Bring everything back, in the same transaction. All foreign keys have to hold by now.

        `may_go_on` is called in between, and raises to stop that.
        """
        _run(self.connection, "SET CONSTRAINTS ALL IMMEDIATE")  # else checks would be pending
        for statement in self.statements:
            may_go_on()
            _run(self.connection, statement)
        _run(self.connection, "SET CONSTRAINTS ALL DEFERRED")


def set_aside(connection: sa.Connection, tables: Sequence[sa.Table]) -> SetAside | None:
    """Set the plain indexes and the foreign keys of `tables` aside, until `put_back`.

    To be called before the transaction writes anything. None, and nothing has changed, where that
    is not possible at once: on SQLite, when somebody else uses the tables (or those that they
    refer to), or when they belong to another role.
    """
    if connection.dialect.name != "postgresql":
        return None
    try:
        with connection.begin_nested():
            _run(connection, f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            pairs = [
                pair
                for query in (INDEXES, FOREIGN_KEYS)
                for pair in _all(connection, query, tables)
            ]
            for drop, _ in pairs:
                _run(connection, drop)
            _run(connection, "SET LOCAL lock_timeout TO DEFAULT")
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) in NOT_NOW:
            return None
        raise
    return SetAside(connection, [create for _, create in pairs])


def _all(
    connection: sa.Connection, query: sa.TextClause, tables: Sequence[sa.Table]
) -> list[tuple[str, str]]:
    quote = connection.dialect.identifier_preparer.quote
    return [
        (drop, create)
        for table in tables
        for drop, create in connection.execute(query, {"name": quote(table.name)})
    ]


def _run(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
