"""Rows gathered into few long ones are the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
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
        owners = [build.user(name, "hill") for name in ("ann", "bob")]
        for number in reversed(NUMBERS):  # ids do not ascend with the messages
            message = build.message(f"m{number}", "ann", "ann", realm="hill")
            for place, owner in enumerate(owners):
                build.insert(
                    "zerver_usermessage",
                    id=2 * number + place,
                    user_profile_id=owner,
                    message_id=message,
                    flags=1,
                )
    replaced = {
        "flags_mask": sa.cast(user_messages.c.flags + 1, sa.Text),
        "mood of": sa.literal('"good"'),
    }
    together = user_messages.c.message_id
    plain = sa.select(row_json(user_messages, "postgresql", replaced)).order_by(together)
    gathered = gathered_rows(user_messages, together, sa.true(), replaced)
    ident = user_messages.c.id
    with postgres_database.read() as connection:
        lines = _lines(connection, gathered)
        assert sorted(lines) == sorted(_lines(connection, plain))
        messages = [msgspec.json.decode(line)["message"] for line in lines]
        assert messages == sorted(messages)
        assert len(connection.execute(gathered).all()) == len(NUMBERS)
        ids = [str(2 * number + place) for number in NUMBERS for place in (0, 1)]
        assert _lines(connection, gathered_ids(ident, ident > 2 * NUMBERS[0])) == ids[1:]


def _lines(connection: sa.Connection, query: sa.Select[str]) -> list[str]:
    blocks: list[bytes] = []
    Reader(connection).copy_out(query, blocks.append, b",\n")
    return b",\n".join(blocks).decode().replace("},\n", "}\n").replace(",\n", "\n").split("\n")
