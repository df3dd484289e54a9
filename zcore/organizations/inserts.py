"""Inserting rows and learning their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

Row = Mapping[str, object]


def insert_returning_ids(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row]
) -> list[int]:
    """Insert `rows` (all with the same columns) and return their new ids, in the same order."""
    if not rows:
        return []
    (key,) = table.primary_key
    statement = sa.insert(table).returning(key, sort_by_parameter_order=True)
    return list(connection.scalars(statement, [dict(row) for row in rows]))


def insert_returning_id(connection: sa.Connection, table: sa.Table, row: Row) -> int:
    """Insert one row and return its new id."""
    (new_id,) = insert_returning_ids(connection, table, [row])
    return new_id
