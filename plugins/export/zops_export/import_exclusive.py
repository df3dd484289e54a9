"""The big tables of a PostgreSQL database for an import alone: without indexes and foreign keys.

They are dropped before the first row and made again before the commit, in the one transaction of
the import, so that whatever ends it leaves them as they were. Nobody else can use the tables
meanwhile, which is why nobody may be there.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from zcore import Refused
from zops_export.import_indexes import BIG_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.database import Database

LOCK_TIMEOUT_SECONDS = 5
LOCK_NOT_AVAILABLE = "55P03"  # an SQLSTATE
LOOKS = 10
SECONDS_BETWEEN_LOOKS = 0.1
MOST_SHOWN = 5
WORK_MEMORY = "256MB"  # in which an index of millions of rows is sorted; a server's usual is 64 MB
AS_IT_IS = {"no_parameters": True}  # a percent sign in a definition is one

OTHERS = sa.text(
    "SELECT coalesce(nullif(application_name, ''), 'a program') || ' as ' || usename"
    " FROM pg_stat_activity WHERE datname = current_database() AND usesysid IS NOT NULL"
    " AND pid <> pg_backend_pid() AND NOT pid = ANY(:ours)"
    " UNION ALL SELECT 'the prepared transaction ' || gid"
    " FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 1"
)

MORE_MEMORY = sa.text(
    "SELECT set_config('maintenance_work_mem', :size, true)"
    " WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes(:size)"
)

OF_OTHERS = sa.text(
    "SELECT relname FROM pg_class WHERE oid = ANY(CAST(:tables AS regclass[]))"
    " AND NOT pg_has_role(relowner, 'USAGE') ORDER BY relname"
)

# What can be made again from its definition alone. The rest stays: what a foreign key of another
# table needs, what somebody has described, moved, switched off or left unfinished.
CONSTRAINTS = sa.text(
    """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
        format('ALTER TABLE %s ADD CONSTRAINT %I %s',
            k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k
    JOIN pg_class owner ON owner.oid = k.conrelid AND owner.relkind = 'r'
    LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype = 'u'
    LEFT JOIN pg_class c ON c.oid = i.indexrelid
    WHERE k.conrelid = ANY(CAST(:tables AS regclass[]))
        AND k.contype IN ('f', 'u') AND k.convalidated AND k.conislocal AND k.coninhcount = 0
        AND obj_description(k.oid, 'pg_constraint') IS NULL
        AND NOT EXISTS (SELECT FROM pg_trigger t
            WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O')
        AND (k.contype = 'f' OR (i.indisvalid AND NOT i.indisclustered AND NOT i.indisreplident
            AND c.reltablespace = 0 AND obj_description(c.oid, 'pg_class') IS NULL
            AND NOT EXISTS (SELECT FROM pg_constraint other
                WHERE other.conindid = c.oid AND other.oid <> k.oid)))
    ORDER BY k.contype, k.conrelid, k.conname
    """
)
INDEXES = sa.text(
    """
    SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM pg_index i
    JOIN pg_class owner ON owner.oid = i.indrelid AND owner.relkind = 'r'
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am method ON method.oid = c.relam
    WHERE i.indrelid = ANY(CAST(:tables AS regclass[]))
        AND i.indisvalid AND NOT i.indisprimary AND NOT i.indisclustered AND NOT i.indisreplident
        AND method.amname IN ('btree', 'gin', 'gist', 'hash', 'brin', 'spgist')
        AND c.reltablespace = 0 AND NOT c.relispartition
        AND obj_description(c.oid, 'pg_class') IS NULL
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
            AND d.objid = c.oid AND d.deptype IN ('x', 'e'))
        AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
            AND (coalesce(a.attstattarget, -1) <> -1 OR a.attoptions IS NOT NULL))
    ORDER BY i.indrelid, c.relname
    """
)


class Part(NamedTuple):
    """An index or a constraint: the statements that drop it, and make it again."""

    drop: str
    make: str


@contextmanager
def tables_for_us_alone(database: Database, connection: sa.Connection) -> Iterator[None]:
    """Write rows of messages and user messages here, before anything else in the transaction.

    On SQLite there is nothing to do: a transaction that writes is always alone. Raises `Refused`
    when others use the database, or when the tables are not ours to change.
    """
    if database.dialect == "sqlite":
        yield
        return
    parts = _taken(connection, database.session_numbers)
    yield
    # Checks that wait for the commit are in the way of changing the tables.
    connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    connection.exec_driver_sql("SET LOCAL default_tablespace = ''")
    connection.execute(MORE_MEMORY, {"size": WORK_MEMORY})
    for part in reversed(parts):
        connection.exec_driver_sql(part.make, execution_options=AS_IT_IS)
    connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")


def _taken(connection: sa.Connection, ours: Sequence[int]) -> list[Part]:
    """Lock the tables and drop what slows them down; what that was."""
    _require_alone(connection, ours)
    _require_ownership(connection)
    waits = connection.scalar(sa.text("SELECT current_setting('lock_timeout')"))
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
    try:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(BIG_TABLES)} IN ACCESS EXCLUSIVE MODE")
        _require_alone(connection, ours)  # somebody may have come before the lock did
        parts = _parts(connection)
        for part in parts:
            connection.exec_driver_sql(part.drop, execution_options=AS_IT_IS)
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise
        raise _not_alone("somebody has locked the tables of messages") from error
    connection.execute(sa.text("SELECT set_config('lock_timeout', :waits, true)"), {"waits": waits})
    return parts


def _parts(connection: sa.Connection) -> list[Part]:
    """What is dropped, in an order in which that is possible."""
    tables = {"tables": list(BIG_TABLES)}
    found = (connection.execute(query, tables) for query in (CONSTRAINTS, INDEXES))
    return [Part(drop, make) for rows in found for drop, make in rows]


def _require_alone(connection: sa.Connection, ours: Sequence[int]) -> None:
    others = _others(connection, ours)
    for _ in range(LOOKS):  # a session ends a moment after its client
        if not others:
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)
        others = _others(connection, ours)
    more = f" and {len(others) - MOST_SHOWN} more" if len(others) > MOST_SHOWN else ""
    raise _not_alone(f"others use the database: {', '.join(others[:MOST_SHOWN])}{more}")


def _others(connection: sa.Connection, ours: Sequence[int]) -> Sequence[str]:
    # What was read of the sessions before would be answered again within a transaction.
    connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
    return connection.scalars(OTHERS, {"ours": list(ours)}).all()


def _not_alone(reason: str) -> Refused:
    return Refused(
        reason,
        code="not-alone",
        hint="stop the server and whatever else is connected, or import without --exclusive",
    )


def _require_ownership(connection: sa.Connection) -> None:
    if others := connection.scalars(OF_OTHERS, {"tables": list(BIG_TABLES)}).all():
        raise Refused(
            f"the tables {', '.join(others)} belong to another role",
            code="not-ours",
            hint="connect as the role that owns the tables, or import without --exclusive",
        )
