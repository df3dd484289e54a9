"""A row of the database as a row of an export: one SQL expression that yields JSON text.

What each column becomes follows from its type and its facts in `zcore.schema`; there is no list
of columns here. The database does the work, so that Python never looks into a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema.facts import column_facts, columns_by_key, table_facts
from zcore.schema.types import GuidText, Json, SearchVector, UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Mapping

Text = sa.ColumnElement[str]

ISO_TIME = 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'


def row_json(
    table: sa.Table, dialect: str, replaced: Mapping[str, sa.ColumnElement[Any]] | None = None
) -> Text:
    """The JSON object of a row of `table`, with the keys that exports have.

    `dialect` is "postgresql" or "sqlite". `replaced` gives other expressions for some keys: SQL
    that yields the JSON text of the value.
    """
    values = {key: value_json(column, dialect) for key, column in columns_by_key(table).items()}
    for extra in table_facts(table).extra_keys:
        repeated = extra.column
        values[extra.key] = (
            sa.literal_column("'[]'")
            if repeated is None
            else value_json(table.c[repeated], dialect)
        )
    return object_json(values | dict(replaced or {}))


def object_json(values: Mapping[str, sa.ColumnElement[Any]]) -> Text:
    """The JSON object with these keys, from expressions that yield the JSON text of each value."""
    opening, inside, closing = object_parts(values)
    return joined([sa.literal_column(f"'{opening}'"), *inside, sa.literal_column(f"'{closing}'")])


def object_parts(
    values: Mapping[str, sa.ColumnElement[Any]],
) -> tuple[str, list[sa.ColumnElement[Any]], str]:
    """What `object_json` joins: how every object begins, what follows, how every one ends.

    No space is wasted: nine of ten rows are short, and most of what they say are the keys.
    """
    (first, value), *others = values.items()
    inside: list[sa.ColumnElement[Any]] = [value]
    for key, other in others:
        inside += [sa.literal_column(f"',\"{key}\":'"), other]
    return f'{{"{first}":', inside, "}"


def joined(parts: list[sa.ColumnElement[Any]]) -> Text:
    """Text joined by `||`, as a balanced tree: a long chain would be a deep one."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = joined(parts[:middle]), joined(parts[middle:])
    return left.op("||", precedence=6, return_type=sa.Text())(right)


def value_json(
    column: sa.Column[Any], dialect: str, value: sa.ColumnElement[Any] | None = None
) -> sa.ColumnElement[Any]:
    """The JSON text of a column's value, or of another `value` of its type in its place.

    `null` when there is none.
    """
    encode = _postgresql if dialect == "postgresql" else _sqlite
    encoded = encode(column, column if value is None else value)
    if not column.nullable:
        return encoded
    return sa.func.coalesce(encoded, sa.literal_column("'null'"))


def found_value_json(value: sa.ColumnElement[Any], kind: str, dialect: str) -> Text:
    """The JSON text of a value whose type is only known by its name in the database, `kind`.

    `null` when there is none. What has no kind of its own in JSON becomes text.
    """
    encoded = _found_in_postgresql if dialect == "postgresql" else _found_in_sqlite
    return sa.func.coalesce(encoded(value, kind), sa.literal_column("'null'"))


def _found_in_postgresql(value: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    if kind.startswith("timestamp"):
        return _as_text(sa.extract("epoch", value))
    if kind == "json":  # keeps the line ends that it was written with; jsonb has none
        return _as_text(sa.cast(value, sa.Text).op("::")(sa.literal_column("jsonb")))
    return _as_text(sa.func.to_json(value))


def _found_in_sqlite(value: sa.ColumnElement[Any], kind: str) -> sa.ColumnElement[Any]:
    if "bool" in kind:
        return sa.case((value.is_(sa.null()), sa.null()), (value == 0, "false"), else_="true")
    if "time" in kind:
        return _seconds_of_text(value)
    if "json" in kind:
        return sa.case((sa.func.json_valid(value), sa.func.json(value)))
    is_blob = sa.func.typeof(value) == "blob"
    text = sa.func.json_quote(sa.case((is_blob, sa.func.hex(value)), else_=value))
    return sa.case((value.is_not(sa.null()), text))


def _postgresql(column: sa.Column[Any], value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        if column_facts(column).iso_time:  # our connections are in UTC
            return _as_text(sa.func.to_json(sa.func.to_char(value, ISO_TIME)))
        return _as_text(sa.extract("epoch", value))
    if isinstance(kind, (sa.Integer, sa.Boolean, Json)):
        return _as_text(value)
    if isinstance(kind, (GuidText, SearchVector)):
        return _as_text(sa.func.to_json(_as_text(value)))
    return _as_text(sa.func.to_json(value))


def _sqlite(column: sa.Column[Any], value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    kind = column.type
    if isinstance(kind, UtcDateTime):
        if column_facts(column).iso_time:
            text = sa.func.replace(sa.type_coerce(value, sa.Text), " ", "T")
            return sa.func.json_quote(text.op("||")(sa.literal_column("'+00:00'")))
        return _seconds_of_text(value)
    if isinstance(kind, sa.Boolean):
        return sa.case((value.is_(True), "true"), (value.is_(False), "false"))
    if isinstance(kind, sa.Integer):
        return sa.cast(value, sa.Text)
    if isinstance(kind, Json):
        return sa.type_coerce(value, sa.Text)
    return sa.func.json_quote(sa.type_coerce(value, sa.Text))


def _seconds_of_text(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """SQLite keeps 'YYYY-MM-DD HH:MM:SS.ffffff': whole seconds by its calendar, plus the rest."""
    text = sa.type_coerce(value, sa.Text)
    whole = sa.func.strftime("%s", sa.func.substr(text, 1, 19))
    rest = sa.func.substr(text, 20, 7)
    seconds = sa.func.printf("%!.6f", whole + sa.cast(rest, sa.REAL))
    return sa.case((text.is_not(None), seconds))  # printf would make 0 of NULL


def _as_text(expression: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.cast(expression, sa.Text)
