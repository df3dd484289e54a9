"""What an import settles in the end: quiet channels, presence, the full-text search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.zops_export.spoiling import change_json
from zcore.schema import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

channels, presence, seen, messages, search_log = (
    tables[name]
    for name in (
        "zerver_stream",
        "zerver_presencesequence",
        "zerver_userpresence",
        "zerver_message",
        "fts_update_log",
    )
)

TRIGGER = """
CREATE FUNCTION put_into_log() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO fts_update_log (message_id) VALUES (NEW.id); RETURN NEW; END$$;
CREATE TRIGGER fts BEFORE INSERT ON zerver_message FOR EACH ROW EXECUTE FUNCTION put_into_log();
"""


def column(database: Database, query: sa.Select[Any]) -> list[Any]:
    with database.read() as connection:
        return list(connection.scalars(query))


def all_sent(export: Path, when: datetime) -> None:
    for path in export.glob("messages-*.json"):
        change_json(
            path,
            lambda tables: (
                [row.update(date_sent=when.timestamp()) for row in tables["zerver_message"]]
                and None
            ),
        )


@pytest.mark.parametrize(("days", "quiet"), [(179, False), (181, True)])
def test_channels_without_messages_for_long_are_marked(
    days: int, quiet: bool, zops_here: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    all_sent(light_copy, datetime.now(UTC) - timedelta(days=days))
    zops_here.on(sqlite_database)("import", "acme", light_copy)
    active = column(sqlite_database, sa.select(channels.c.is_recently_active))
    assert any(active) != quiet


def test_a_closed_organization_keeps_its_marks(
    zops_here: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    all_sent(light_copy, datetime(2020, 1, 1, tzinfo=UTC))
    change_json(
        light_copy / "realm.json", lambda tables: tables["zerver_realm"][0].update(deactivated=True)
    )
    zops_here.on(sqlite_database)("import", "acme", light_copy)
    assert all(column(sqlite_database, sa.select(channels.c.is_recently_active)))


def test_presence_is_counted_on_where_an_older_server_did_not(
    zops_here: ZopsHere, sqlite_database: Database, light_copy: Path
) -> None:
    change_json(
        light_copy / "realm.json", lambda tables: tables.pop("zerver_presencesequence") and None
    )
    change_json(light_copy / "stats.json", lambda stats: stats["realm"].clear())
    realm = zops_here.on(sqlite_database)("--json", "import", "acme", light_copy).json()
    mine = sa.select(presence.c.last_update_id).where(presence.c.realm_id == realm["realm_id"])
    highest = column(sqlite_database, sa.select(sa.func.max(seen.c.last_update_id)))
    assert column(sqlite_database, mine) == highest != [0]


@pytest.mark.postgres
@pytest.mark.parametrize("trigger", [False, True])
def test_messages_wait_for_the_search_once(
    trigger: bool, zops_here: ZopsHere, postgres_database: Database, light: Path
) -> None:
    """Where the server's own trigger lists them, they are not listed again."""
    if trigger:
        with postgres_database.begin() as connection:
            connection.exec_driver_sql(TRIGGER)
    zops_here.on(postgres_database)("import", "acme", light)
    listed = column(postgres_database, sa.select(search_log.c.message_id).order_by("message_id"))
    assert listed == column(postgres_database, sa.select(messages.c.id).order_by("id")) != []
