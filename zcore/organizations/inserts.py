"""Inserting rows, few or very many, and learning their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from zcore.rows_in import NOTHING, Writer
from zcore.schema.defaults import default_of

if TYPE_CHECKING:
    import sqlalchemy as sa

Row = Mapping[str, object]


def insert_rows(
    connection: sa.Connection, table: sa.Table, rows: Iterable[Row], common: Row = NOTHING
) -> None:
    """Insert `rows` (all with the same columns) in their order, without learning their ids.

    `common` are columns in which they are all the same. The rows are taken one by one, so there
    may be more of them than memory holds.
    """
    rest = iter(rows)
    first = next(rest, None)
    if first is None:
        return
    columns, values = list(first), _values(first)
    others = [
        column
        for column in table.c
        if column.name not in first and column.name not in common and not _is_key(column)
    ]
    constants = {column.name: default_of(column) for column in others if not _is_made_anew(column)}
    made = [column for column in others if _is_made_anew(column)]
    lines: Iterator[Sequence[object]] = map(values, chain([first], rest))
    if made:
        columns += [column.name for column in made]
        lines = ((*line, *map(default_of, made)) for line in lines)
    Writer(connection).copy_in(table, columns, lines, constants | dict(common))


def insert_returning_ids(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], common: Row = NOTHING
) -> list[int]:
    """Insert `rows` as `insert_rows` does and return their new ids, in the same order."""
    (key,) = table.primary_key
    ids = reserve_ids(connection, table, len(rows))
    insert_rows(connection, table, _numbered(rows, key.name, ids), common)
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


def _values(example: Row) -> Callable[[Row], Sequence[object]]:
    """What takes the values out of a row with the columns of `example`, in their order."""
    if len(example) == 1:
        (name,) = example
        return lambda row: (row[name],)
    return itemgetter(*example)


def _is_key(column: sa.Column[object]) -> bool:
    return column.identity is not None


def _is_made_anew(column: sa.Column[object]) -> bool:
    return column.default is not None and column.default.is_callable
