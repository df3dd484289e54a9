"""What becomes of addresses: the targets of the rewrites in `zops_export.redaction`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.sql_text import has_pattern, replace_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

BLOT = "[email]"

# Latin, Greek and Cyrillic letters: named one by one, because what else a letter is depends on the
# database, and because Chinese or Japanese text goes on without a space beside an address.
LETTERS = "A-Za-z0-9\u00c0-\u024f\u0370-\u04ff"


def _address(letter: str) -> str:
    """What looks like an address, with the lengths that its parts may have.

    Not `logo@2x.png`, which is how pictures for fine screens are called.
    """
    part = rf"(?:{letter}|-){{1,63}}"
    return rf"(?:{letter}|[._%+-]){{1,64}}@(?![0-9]x\.){part}(?:\.{part})+"


ADDRESS = _address(f"[{LETTERS}]")

# The same inside of JSON: a letter can be written by its number, and the letter after another
# backslash is not the first of an address. What stands before it stays what it is.
NUMBERED = r"\\u[0-9a-fA-F]{4}"
ADDRESS_IN_JSON = rf"((?:{NUMBERED}|\\.)*)" + _address(f"(?:[{LETTERS}]|{NUMBERED})")

Value = sa.ColumnElement[Any]


class OfColumn:
    """A change of any column: `of_column.content` is the target for those called `content`."""

    def __init__(self, change: Callable[[sa.Column[Any]], Value]) -> None:
        self._change = change

    def __getattr__(self, name: str) -> Callable[[sa.Table], Value]:
        return lambda table: self._change(table.c[name])


def pseudonym(table: sa.Table) -> sa.ColumnElement[str]:
    """An address that no mail can reach: always the same for an account, and no other's."""
    return sa.literal("user") + sa.cast(table.c.id, sa.Text) + sa.literal("@redacted.invalid")


def _blotted(column: sa.Column[Any]) -> Value:
    blotted = replace_pattern(column, ADDRESS, BLOT)
    length = getattr(column.type, "length", None)  # what stands in for a short one is longer
    return _where_there_may_be_one(
        column, sa.func.substr(blotted, 1, length) if length else blotted
    )


def _blotted_json(column: sa.Column[Any]) -> Value:
    blotted = replace_pattern(column, ADDRESS_IN_JSON, rf"\1{BLOT}")
    return _where_there_may_be_one(column, blotted)


def _where_there_may_be_one(column: sa.Column[Any], blotted: Value) -> Value:
    """Most texts have no @ in them, and that is quickly seen."""
    text = sa.cast(column, sa.Text)
    return sa.case((text.contains("@"), blotted), else_=text)


def _has_none(column: sa.Column[Any]) -> Value:
    return sa.not_(has_pattern(column, ADDRESS))


text = OfColumn(_blotted)
json = OfColumn(_blotted_json)
has_none = OfColumn(_has_none)
