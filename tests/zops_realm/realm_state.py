"""What tests of commands about organizations look at in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.database import Database

Row = dict[str, Any]


def realm_row(database: Database, realm_id: int) -> Row:
    """The row of an organization."""
    (row,) = rows(database, "zerver_realm", id=realm_id)
    return row


def rows(database: Database, table: str, **values: object) -> list[Row]:
    """The rows of `table` that have these values, in order of their ids."""
    found = tables[table]
    chosen = sa.select(found).where(*(found.c[name] == value for name, value in values.items()))
    with database.read() as connection:
        result = connection.execute(chosen.order_by(*found.primary_key)).mappings()
        return [dict(row) for row in result]


def audit(database: Database, realm_id: int, event_type: int) -> list[Row]:
    """The `extra_data` of an organization's entries of one kind; nobody is said to have done it."""
    entries = rows(database, "zerver_realmauditlog", realm_id=realm_id, event_type=event_type)
    assert {entry["acting_user_id"] for entry in entries} <= {None}
    return [entry["extra_data"] for entry in entries]


def insert(database: Database, table: str, **values: object) -> int:
    """Insert a row; returns its id."""
    found = tables[table]
    with database.begin() as connection:
        statement = sa.insert(found).values(**values).returning(found.c.id)
        return int(connection.execute(statement).scalar_one())


def update(database: Database, table: str, row_id: int, **values: object) -> None:
    """Change columns of one row."""
    found = tables[table]
    with database.begin() as connection:
        connection.execute(sa.update(found).where(found.c.id == row_id).values(**values))
