"""What the databases can hold: the ends of their numbers, moments and texts.

SQLite would take nearly everything, and PostgreSQL says no in the middle of the rows.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import msgspec
import sqlalchemy as sa

from zcore.schema.columns import GIN
from zcore.schema.facts import column_facts
from zcore.schema.types import Json, SearchVector, UtcDateTime, text_to_moment

EARLIEST, LATEST = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, in seconds since 1970."""
MOST_INDEXED = 2704
"""The bytes of a row of PostgreSQL's indexes, in which long texts are packed."""
NUL = "\0"
LONGEST_WORD, LONGEST_VECTOR = 2046, 1 << 22
"""The bytes of a word of a text search vector; more characters than one that fits is written in."""
WORD = r"'(?:[^'\\]++|''|\\.)+'|[^\s':\\]+"
ESCAPED = re.compile(r"['\\](.)", re.DOTALL)
PLACES = r":[1-9]\d*[A-Da-d*]?(?:,[1-9]\d*[A-Da-d]?)*"
VECTOR = re.compile(rf"\s*(?:(?:{WORD})(?:{PLACES})?(?:\s+|$))*", re.DOTALL)
WORDS = re.compile(WORD, re.DOTALL)
NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Limit = Callable[[object], str]
"""Says what is wrong with a value of the right kind; nothing when the column can hold it."""


def limit_of(column: sa.Column[object]) -> Limit | None:
    """What the column asks of its values; None: nothing that their kind does not say."""
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return None
    if isinstance(kind, sa.Integer):
        return _between(*limits_of(column))
    if isinstance(kind, UtcDateTime):
        return _iso_moment if column_facts(column).iso_time else _between(EARLIEST, LATEST)
    if isinstance(kind, Json):
        return _json
    if isinstance(kind, SearchVector):
        return search_vector
    length = kind.length if isinstance(kind, sa.String) else None
    limit = _text(length)
    return _indexed(limit) if length is None and _is_indexed(column) else limit


def limits_of(column: sa.Column[object]) -> tuple[int, int]:
    """The lowest and the highest number that the column can hold."""
    bits = 31
    if isinstance(column.type, sa.SmallInteger):
        bits = 15
    elif isinstance(column.type, sa.BigInteger):
        bits = 63
    return (0 if _is_unsigned(column) else -(2**bits)), 2**bits - 1


def _is_unsigned(column: sa.Column[object]) -> bool:
    """Does the column have a rule that it is not below zero, the only one there is?"""
    return any(isinstance(rule, sa.CheckConstraint) for rule in column.constraints)


def _is_indexed(column: sa.Column[object]) -> bool:
    """Is the whole value in an index? Those of words have none."""
    table = column.table
    rules = [one.columns for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    indexes = [one.columns for one in table.indexes if GIN not in one.info]
    return any(column.name in columns for columns in (*rules, *indexes))


def _between(lowest: int, highest: int) -> Limit:
    def limit(value: object) -> str:
        if lowest <= value <= highest:  # type: ignore[operator]  # a number: its kind was looked at
            return ""
        return f"cannot be {value}: {lowest} to {highest} can be"

    return limit


def _iso_moment(value: object) -> str:
    try:
        text_to_moment(str(value))
    except (ValueError, OverflowError):
        return f"cannot be {str(value)[:40]!r}, which is no moment"
    return ""


def _json(value: object) -> str:
    return "has a NUL character" if NUL_IN_JSON.search(msgspec.json.encode(value)) else ""


def search_vector(value: object) -> str:
    """What is wrong with a text that is to be a text search vector."""
    text = str(value)
    if NUL in text:
        return "has a NUL character"
    if len(text) <= LONGEST_VECTOR and not VECTOR.fullmatch(text):
        return "is no text search vector"
    if len(text) > LONGEST_VECTOR or any(map(_is_too_long, WORDS.findall(text))):
        return "has a word, or words, longer than a text search vector can hold"
    return ""


def _is_too_long(word: str) -> bool:
    """Is a word of a vector too long? What ends one stands twice in it."""
    if len(word) <= LONGEST_WORD // 4:  # so many letters always fit
        return False
    plain = ESCAPED.sub(r"\1", word[1:-1]) if word.startswith("'") else word
    return len(plain.encode()) > LONGEST_WORD


def _text(length: int | None) -> Limit:
    def limit(value: object) -> str:
        text = str(value)
        if length is not None and len(text) > length:
            return f"is longer than {length} characters"
        return "has a NUL character" if NUL in text else ""

    return limit


def _indexed(limit: Limit) -> Limit:
    """Only what no database can pack well enough is too long: zlib packs better than they do."""

    def indexed(value: object) -> str:
        text = str(value)
        if len(text) * 4 > MOST_INDEXED and len(zlib.compress(text.encode())) > MOST_INDEXED:
            return "is longer than an index can hold"
        return limit(value)

    return indexed
