"""The tables that are really there, with their foreign keys: those of plugins of a server, too.

`zcore.schema` describes the tables that zops works with; a server has more, and may have others.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SAWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedForeignKeyConstraint


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """One or more columns that name a row of the table `target`, by its `target_columns`."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    nullable: bool


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """A table: something to write queries with, and its foreign keys."""

    table: sa.TableClause
    foreign_keys: Sequence[ForeignKey]

    def value(self, columns: Sequence[str]) -> sa.ColumnElement[Any]:
        """One column, or several as one value that can be compared."""
        found = [self.table.c[name] for name in columns]
        return sa.tuple_(*found) if len(found) > 1 else found[0]


def read_catalogue(connection: sa.Connection) -> dict[str, CatalogueTable]:
    """Every table that queries see without naming a schema, by name."""
    inspector = sa.inspect(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # of types that SQLAlchemy does not know
        columns = inspector.get_multi_columns()
    foreign_keys = inspector.get_multi_foreign_keys()
    return {
        name: _table(name, columns[schema, name], foreign_keys.get((schema, name), ()))
        for schema, name in sorted(columns, key=lambda key: key[1])
    }


def _table(
    name: str, columns: Sequence[ReflectedColumn], keys: Sequence[ReflectedForeignKeyConstraint]
) -> CatalogueTable:
    nullable = {column["name"]: column["nullable"] for column in columns}
    foreign_keys = [
        ForeignKey(
            columns=tuple(key["constrained_columns"]),
            target=key["referred_table"],
            target_columns=tuple(key["referred_columns"]),
            nullable=all(nullable[column] for column in key["constrained_columns"]),
        )
        for key in keys
        if key["referred_schema"] is None  # others are in no schema that queries see
    ]
    return CatalogueTable(sa.table(name, *map(sa.column, nullable)), foreign_keys)
