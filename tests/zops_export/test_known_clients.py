"""Clients, which all organizations of a server share."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.schema import tables
from zops_export.import_ids import known_clients

if TYPE_CHECKING:
    from zcore.database import Database
    from zops_export.json_rows import JsonRow

clients = tables["zerver_client"]


def _rows(*names: str) -> list[JsonRow]:
    return [{"id": ident, "name": name} for ident, name in enumerate(names, start=1)]


def _find(database: Database, rows: list[JsonRow]) -> list[int]:
    with database.writer() as writer:
        return list(known_clients(writer.connection, rows).new)


def test_what_is_there_is_found_and_the_rest_is_made(database: Database) -> None:
    first = _find(database, _rows("website", "curl"))
    again = _find(database, _rows("curl", "x" * 31, "website", "x" * 32, "curl"))
    assert again[::2] == [first[1], first[0], first[1]]
    assert again[1] == again[3]  # as much of it as a server keeps
    assert again[1] not in first


@pytest.mark.postgres
def test_two_imports_that_make_the_same_at_once(postgres_database: Database) -> None:
    """In whatever order their exports name them."""
    found: list[list[int]] = []
    second = threading.Thread(
        target=lambda: found.append(_find(postgres_database, _rows("new", "newer")))
    )
    with postgres_database.writer() as writer:
        ours = list(known_clients(writer.connection, _rows("newer", "new")).new)
        second.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not writer.connection.scalar(sa.text(waiting)):
            assert second.is_alive()
    second.join()
    assert found == [ours[::-1]]
