"""Rows gathered into few long ones are the same rows, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from tests.zops_export.building import Builder
from zcore.rows_out import Reader
from zops_export.encoding import row_json
from zops_export.gathering import gathered_ids, gathered_rows
from zops_export.selection import user_messages

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database

NUMBERS = [5, 255, 256, 257, 300, 7000, 2**40]


def test_the_same_as_row_by_row(postgres_database: Database, tmp_path: Path) -> None:
    """Also with a column that is rewritten, and one that only the connected server has."""
    with postgres_database.begin() as connection:
        build = Builder(connection, tmp_path)
        build.realm("hill")
        ann = build.user("ann", "hill")
        for number in reversed(NUMBERS):  # ids do not ascend with the messages
            message = build.message(f"m{number}", "ann", "ann", realm="hill")
            build.insert(
                "zerver_usermessage", id=number, user_profile_id=ann, message_id=message, flags=1
            )
    replaced = {
        "flags_mask": sa.cast(user_messages.c.flags + 1, sa.Text),
        "mood of": sa.literal('"good"'),
    }
    ident = user_messages.c.id
    plain = sa.select(row_json(user_messages, "postgresql", replaced)).order_by(ident)
    gathered = gathered_rows(user_messages, sa.true(), replaced)
    with postgres_database.read() as connection:
        assert _lines(connection, gathered) == _lines(connection, plain)
        assert connection.execute(gathered).all() != connection.execute(plain).all()
        assert _lines(connection, gathered_ids(ident, ident > 5)) == [*map(str, NUMBERS[1:])]


def _lines(connection: sa.Connection, query: sa.Select[str]) -> list[str]:
    blocks: list[bytes] = []
    Reader(connection).copy_out(query, blocks.append, b",\n")
    return b",\n".join(blocks).decode().replace("},\n", "}\n").replace(",\n", "\n").split("\n")
