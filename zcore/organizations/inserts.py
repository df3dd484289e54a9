"""Inserting rows, few or very many, and learning their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from zcore.rows_in import Writer
from zcore.schema.defaults import default_of

if TYPE_CHECKING:
    import sqlalchemy as sa

Row = Mapping[str, object]


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Iterable[Row]) -> None:
    """Insert `rows` (all with the same columns) in their order, without learning their ids.

    They are taken one by one, so there may be more of them than memory holds.
    """
    rest = iter(rows)
    first = next(rest, None)
    if first is not None:
        columns, complete = _completion(table, first)
        values = (complete(row) for row in chain([first], rest))
        Writer(connection).copy_in(table, columns, values)


def insert_returning_ids(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row]
) -> list[int]:
    """Insert `rows` (all with the same columns) and return their new ids, in the same order."""
    (key,) = table.primary_key
    ids = reserve_ids(connection, table, len(rows))
    insert_rows(connection, table, _numbered(rows, key.name, ids))
    return ids


def insert_returning_id(connection: sa.Connection, table: sa.Table, row: Row) -> int:
    """Insert one row and return its new id."""
    (new_id,) = insert_returning_ids(connection, table, [row])
    return new_id


def reserve_ids(connection: sa.Connection, table: sa.Table, count: int) -> list[int]:
    """`count` ids for rows of `table` that are to be inserted before anything else is."""
    return list(Writer(connection).reserve(table, count))


def _numbered(rows: Iterable[Row], key: str, ids: Sequence[int]) -> Iterator[Row]:
    for row, new_id in zip(rows, ids, strict=True):
        yield {**row, key: new_id}


def _completion(
    table: sa.Table, example: Row
) -> tuple[list[str], Callable[[Row], Sequence[object]]]:
    """The columns to write, and what makes the values of a row like `example` for them.

    What rows do not give is the column's default, where it is not the database that gives it.
    """
    given = list(example)
    others = [column for column in table.c if column.name not in example and not _is_key(column)]
    fixed = [column for column in others if not _is_made_anew(column)]
    made = [column for column in others if _is_made_anew(column)]
    constants = tuple(default_of(column) for column in fixed)

    def complete(row: Row) -> Sequence[object]:
        values = [row[name] for name in given]
        return (*values, *constants, *(default_of(column) for column in made))

    return [*given, *(column.name for column in (*fixed, *made))], complete


def _is_key(column: sa.Column[object]) -> bool:
    return column.identity is not None


def _is_made_anew(column: sa.Column[object]) -> bool:
    return column.default is not None and column.default.is_callable
