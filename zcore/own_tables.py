"""Tables of zops's own, beside those of the server.

On PostgreSQL they lie in a schema of their own, `zops`, which neither the server nor its migrations
look into; SQLite has no schemas, there `zops_` stands before their names. No foreign key leads to
them or from them. The first write that needs one makes it; whoever only looks makes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.database_errors import READ_ONLY
from zcore.errors import Refused

if TYPE_CHECKING:
    from zcore.database import Database

SCHEMA = "zops"
LOCK = 0x7A6F7073  # so that two processes do not make a table at the same moment


def own_table(dialect: str, name: str, *columns: sa.Column[Any]) -> sa.Table:
    """The table of zops's that is called `name`, as it is on databases of that dialect."""
    if dialect == "postgresql":
        return sa.Table(name, sa.MetaData(schema=SCHEMA), *columns)
    return sa.Table(f"{SCHEMA}_{name}", sa.MetaData(), *columns)


def is_made(connection: sa.Connection, table: sa.Table) -> bool:
    """Is it there already? Raises `Refused` when what is there is another table."""
    inspector = sa.inspect(connection)
    if not inspector.has_table(table.name, schema=table.schema):
        return False
    found = {column["name"] for column in inspector.get_columns(table.name, schema=table.schema)}
    if not found.issuperset(table.columns.keys()):
        raise Refused(
            f"the table {table.fullname} is not as this version of zops makes it",
            code="own-table",
            hint="another version of zops made it, or another program: finish there what it is for,"
            " then rename the table",
        )
    return True


def make(database: Database, table: sa.Table) -> None:
    """Make it when it is not there, in a transaction of its own.

    Raises `Refused` when the database does not let us, or something else has its name.
    """
    with database.read() as connection:
        if is_made(connection, table):
            return
    try:
        with database.begin() as connection:
            if table.schema is not None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
                if not sa.inspect(connection).has_schema(table.schema):  # a role need not be
                    connection.execute(sa.schema.CreateSchema(table.schema))  # allowed to make it
            table.create(connection, checkfirst=True)
    except Refused as error:
        if error.code == READ_ONLY and table.schema is not None:
            error.hint = (
                f"use a role that may make a schema, or let an administrator make it once:"
                f" CREATE SCHEMA {table.schema} AUTHORIZATION the_role"
            )
        raise
