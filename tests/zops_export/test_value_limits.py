"""What is said to be too much for PostgreSQL, compared with what it says itself."""

from __future__ import annotations

from hashlib import shake_256
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.errors import Failed
from zcore.schema import tables
from zops_export.value_limits import LONGEST_VECTOR, limit_of, search_vector

if TYPE_CHECKING:
    from zcore.database import Database

pytestmark = pytest.mark.postgres

VECTORS = [
    "",
    "'a':1A,16383 'it''s':2,3B 'back\\\\slash' 'two words':7",
    "plain:1 words",
    f"'{2046 * 'x'}':1",
    f"'{2047 * 'x'}':1",
    f"'{1023 * 'é'}'",
    f"'{1024 * 'é'}'",
    f"'{2046 * chr(39) * 2}'",
    f"'{2047 * chr(39) * 2}'",
    " ".join(f"'word{number}':{number + 1}" for number in range(16_000)),
    "'not closed",
    "'a':0",
    "'a':",
    "''",
]
TEXTS = [
    "x" * 100_000,
    "|".join(f"TEAM{number}-[0-9]+" for number in range(450)),
    shake_256().hexdigest(1300),
    shake_256().hexdigest(4000),
]


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_text_search_vectors(postgres_database: Database, vector: str) -> None:
    taken = _takes(postgres_database, "SELECT CAST(:value AS tsvector)", vector)
    assert (search_vector(vector) == "") is taken


def test_a_vector_beyond_all_sizes_is_not_even_read(postgres_database: Database) -> None:
    vector = f"'{LONGEST_VECTOR * 'x'}"
    assert "longer than" in search_vector(vector)
    assert not _takes(postgres_database, "SELECT CAST(:value AS tsvector)", vector)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_in_an_index(postgres_database: Database, text: str) -> None:
    """Long ones fit when they can be packed."""
    with postgres_database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE samples (realm int, value text)")
        connection.exec_driver_sql("CREATE UNIQUE INDEX ON samples (realm, value)")
    taken = _takes(postgres_database, "INSERT INTO samples VALUES (1, :value)", text)
    limit = limit_of(tables["zerver_realmfilter"].c.pattern)
    assert limit is not None
    assert (limit(text) == "") is taken


def _takes(database: Database, statement: str, value: str) -> bool:
    try:
        with database.begin() as connection:
            connection.execute(sa.text(statement), {"value": value})
    except Failed as error:
        if error.code != "value":
            raise
        return False
    return True
