"""`zops db init` and `zops db check`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from zcore.context import current
from zcore.errors import Refused
from zcore.values import Finding, Result

if TYPE_CHECKING:
    from zcore.database import Database


@click.group()
def db() -> None:
    """Make or check the tables of the organization's database."""


@db.command()
def init() -> Result:
    """Create Zulip's tables, in a new SQLite file or an empty PostgreSQL database.

    Refused when there are tables already.

    \b
    Examples:
      zops db init
      zops --database postgresql://zulip@localhost/zulip db init
    """
    from zcore.schema import SERVER_VERSION

    database, fresh = _connect(current().settings.database_url)
    with closing(database):
        if not fresh:
            _create_tables(database)
        text = f"created the tables of Zulip {SERVER_VERSION} in {database.name}"
        return Result({"database": database.name, "server_version": SERVER_VERSION}, text=text)


@db.command()
def check() -> Result:
    """Compare the database's tables with those that zops knows.

    Says of each difference what it means for an export or an import.

    \b
    Examples:
      zops --database postgresql:///zulip db check
    """
    from zcore.schema import SERVER_VERSION
    from zcore.schema.compare import differences
    from zcore.schema.consequences import consequence

    database = current().database
    with database.read() as connection:
        found = differences(connection)
    findings = [
        Finding(
            difference.kind.value.replace(" ", "-"),
            difference.describe(),
            where=".".join(filter(None, (difference.table, difference.column))),
            hint=consequence(difference),
        )
        for difference in found
    ]
    same = f"{database.name} has the tables of Zulip {SERVER_VERSION}"
    return Result(
        {"database": database.name, "server_version": SERVER_VERSION},
        text="" if findings else same,
        findings=findings,
    )


def _connect(url: str) -> tuple[Database, bool]:
    """The database, and whether it was just made, tables and all: a SQLite file is."""
    from zcore.database import Database

    try:
        return Database.connect(url), False
    except Refused as error:
        if error.code != "no-database":
            raise
        return Database.connect(url, create=True), True


def _create_tables(database: Database) -> None:
    """Create the tables in a database that is there, and empty of them."""
    there = _tables_there(database)
    if there:
        raise Refused(
            f"{database.name} has tables already: {', '.join(there)}",
            hint="name an empty database, or see what differs with 'zops db check'",
            code="not-empty",
        )
    database.create_tables()


def _tables_there(database: Database, most: int = 3) -> list[str]:
    """Some of the tables that would be in the way."""
    import sqlalchemy

    from zcore.schema import tables

    with database.read() as connection:
        names = set(sqlalchemy.inspect(connection).get_table_names())
    there = sorted(names & tables.keys())
    return [*there[:most], "..."] if len(there) > most else there
