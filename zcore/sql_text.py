"""Regular expressions in SQL, the same on PostgreSQL and SQLite: for rewrites of an export.

A pattern is written in what Python and PostgreSQL understand alike: classes, groups, repetition,
`\\w`, `\\d`, looking ahead. Of what it finds the first that begins furthest left counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.sql.compiler import SQLCompiler

REPLACE, HAS = "zops_replace_pattern", "zops_has_pattern"


class _Replaced(FunctionElement[str | None]):
    """Text, a pattern, and what is to stand for what it finds."""

    type = sa.Text()  # type: ignore[assignment] # its values may be NULL
    inherit_cache = True


class _Found(FunctionElement[bool]):
    """Does a text have something that a pattern finds?"""

    type = sa.Boolean()
    inherit_cache = True


def replace_pattern(
    text: sa.ColumnElement[Any], pattern: str, replacement: str
) -> sa.ColumnElement[str | None]:
    """`text` with everything that `pattern` finds replaced; `\\1` stands for the first group.

    `text` may be a column of text or JSON. What is NULL stays NULL.
    """
    return _Replaced(sa.cast(text, sa.Text), sa.literal(pattern), sa.literal(replacement))


def has_pattern(text: sa.ColumnElement[Any], pattern: str) -> sa.ColumnElement[bool]:
    """Does `pattern` find something in `text`? Not in one that is NULL."""
    found = _Found(sa.cast(text, sa.Text), sa.literal(pattern))
    return sa.func.coalesce(found, sa.false())


@compiles(_Replaced)
def _replaced(element: _Replaced, compiler: SQLCompiler, **words: Any) -> str:
    return f"regexp_replace({compiler.process(element.clauses, **words)}, 'g')"


@compiles(_Replaced, "sqlite")
def _replaced_sqlite(element: _Replaced, compiler: SQLCompiler, **words: Any) -> str:
    return f"{REPLACE}({compiler.process(element.clauses, **words)})"


@compiles(_Found)
def _found(element: _Found, compiler: SQLCompiler, **words: Any) -> str:
    text, pattern = (compiler.process(clause, **words) for clause in element.clauses)
    return f"({text} ~ {pattern})"


@compiles(_Found, "sqlite")
def _found_sqlite(element: _Found, compiler: SQLCompiler, **words: Any) -> str:
    return f"{HAS}({compiler.process(element.clauses, **words)})"


def add_functions(connection: DBAPIConnection) -> None:
    """Teach a connection to SQLite what PostgreSQL can do."""
    connection.create_function(REPLACE, 3, _replace, deterministic=True)
    connection.create_function(HAS, 2, _has, deterministic=True)


def _replace(text: str | None, pattern: str, replacement: str) -> str | None:
    return None if text is None else _compiled(pattern).sub(replacement, text)


def _has(text: str | None, pattern: str) -> bool | None:
    return None if text is None else _compiled(pattern).search(text) is not None


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
