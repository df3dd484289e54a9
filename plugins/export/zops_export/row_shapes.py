"""What a row must look like, by its table: a struct that the JSON decoder checks it against.

Types, lengths, and what numbers and moments the columns can hold are then checked while a row is
decoded, which costs next to nothing. What does not fit is looked at again as it stands, by
`RowConverter`, which knows how to say what is wrong with it.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from zcore.schema.facts import column_facts, columns_by_key, table_facts
from zcore.schema.types import Json, UtcDateTime
from zops_export.value_limits import EARLIEST, LATEST, limits_of


@cache
def row_shape(table: sa.Table) -> type[msgspec.Struct]:
    """The struct for rows of `table`: every key of its columns, and the extra ones."""
    keys = columns_by_key(table)
    extra = [one.key for one in table_facts(table).extra_keys if one.key not in keys]
    fields: list[tuple[str, Any]] = [(str(key), _kind(column)) for key, column in keys.items()]
    fields += [(key, Any) for key in extra]
    return msgspec.defstruct(table.name, fields, forbid_unknown_fields=True, gc=False)


def rows_decoder(table: sa.Table) -> msgspec.json.Decoder[Any]:
    """What decodes a list of rows of `table`."""
    return msgspec.json.Decoder(list[row_shape(table)])  # type: ignore[misc]  # made here


def _kind(column: sa.Column[object]) -> Any:
    kind = _not_null(column)
    return kind | None if column.nullable else kind


def _not_null(column: sa.Column[object]) -> Any:
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return bool
    if isinstance(kind, sa.Integer):
        lowest, highest = limits_of(column)
        return Annotated[int, Meta(ge=lowest, le=highest)]
    if isinstance(kind, UtcDateTime) and not column_facts(column).iso_time:
        return Annotated[float, Meta(ge=EARLIEST, le=LATEST)]
    if isinstance(kind, Json):
        return Any
    length = kind.length if isinstance(kind, sa.String) else None
    return Annotated[str, Meta(max_length=length)] if length else str
