"""Regular expressions in SQL do the same on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from zcore.schema.types import Json
from zcore.sql_text import has_pattern, replace_pattern

if TYPE_CHECKING:
    from zcore.database import Database


@pytest.mark.parametrize(
    ("text", "pattern", "replacement", "wanted"),
    [
        ("one two two", "two", "three", "one three three"),
        ("a1b22", r"(\w)(\d+)", r"\2\1", "1a22b"),
        ("päper 100% 'quoted' \\n", r"[ä%']", "?", "p?per 100? ?quoted? \\n"),
        ("a(b)c", r"b(?!x)", "", "a()c"),
        ("aaa", "a{2}", "b", "ba"),
        ("nothing", "x", "y", "nothing"),
        ("", "x", "y", ""),
        (None, "x", "y", None),
    ],
)
def test_replacing(
    text: str | None, pattern: str, replacement: str, wanted: str | None, database: Database
) -> None:
    value = sa.literal(text, sa.Text)
    with database.read() as connection:
        found = connection.scalar(sa.select(replace_pattern(value, pattern, replacement)))
        has = connection.scalar(sa.select(has_pattern(value, pattern)))
    assert found == wanted
    assert bool(has) == (text != wanted)


def test_json_as_text(database: Database) -> None:
    value: sa.ColumnElement[Any] = sa.literal({"name": ["Max"]}, Json)
    with database.read() as connection:
        (found,) = connection.execute(sa.select(replace_pattern(value, "M(..)", r"L\1"))).one()
    assert found.replace(" ", "") == '{"name":["Lax"]}'
