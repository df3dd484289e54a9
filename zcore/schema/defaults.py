"""What the server writes into a column that nobody gave a value for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import String

if TYPE_CHECKING:
    from sqlalchemy import Column


def has_default(column: Column[Any]) -> bool:
    """Whether `default_of` has an answer."""
    return column.default is not None or bool(column.nullable) or isinstance(column.type, String)


def default_of(column: Column[Any]) -> object:
    """The value for `column` in a row that does not name it, new each time where it is random.

    A column without a default of its own gets None, or "" where it is text that cannot be NULL.
    Raises LookupError for any other column: a row has to say what stands there.
    """
    if column.default is not None:
        value = column.default.arg  # type: ignore[attr-defined]
        return value(None) if callable(value) else value
    if column.nullable:
        return None
    if isinstance(column.type, String):
        return ""
    raise LookupError(f"{column} has no default")
