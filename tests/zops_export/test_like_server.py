"""`zops import --like-server`: what the server's own importer writes, and nobody wants."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.comparing import IGNORED_EVENTS
from tests.interop.reading import WholeExport
from zcore.schema import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from tests.zops_export.spoiling import Row, Watched
    from zcore.database import Database

groups, users, realms = (
    tables[name] for name in ("zerver_namedusergroup", "zerver_userprofile", "zerver_realm")
)


@pytest.fixture
def light_realm(light: Path) -> dict[str, list[Row]]:
    """The rows in `realm.json` of the export `light`."""
    tables: dict[str, list[Row]] = json.loads((light / "realm.json").read_bytes())
    return tables


def creators(database: Database, string_id: str) -> dict[int, str]:
    """The addresses of those who made a user group of an organization, by the group's id."""
    query = (
        sa.select(groups.c.usergroup_ptr_id, users.c.delivery_email)
        .join(users, users.c.id == groups.c.creator_id)
        .join(realms, realms.c.id == groups.c.realm_id)
        .where(realms.c.string_id == string_id)
    )
    with database.read() as connection:
        return dict(connection.execute(query).all())


def values(export: WholeExport, table: str, key: str) -> list[object]:
    """What stands under `key` in rows that no export or import has added."""
    rows = export.rows(table)
    return [row[key] for row in rows if row.get("event_type") not in IGNORED_EVENTS]


def test_what_the_server_loses(
    zops_here: ZopsHere, watched: Watched, light: Path, tmp_path: Path
) -> None:
    zops_here("import", "acme", light, "--like-server")
    zops_here("export", "-r", "acme", "--output", tmp_path / "again")
    again = WholeExport.read(tmp_path / "again")
    (realm,) = again.rows("zerver_realm")
    assert realm["name"] == "acme"
    for table, key in (
        ("zerver_realmauditlog", "extra_data"),
        ("analytics_realmcount", "subgroup"),
    ):
        before = WholeExport.read(light).rows(table)
        kept = [row[key] for row in before if row.get("event_type") not in (204, 206, 229)]
        after = [
            row[key] for row in again.rows(table) if row.get("event_type") not in (204, 206, 229)
        ]
        assert after == kept


def test_creators_of_user_groups_by_their_old_numbers(
    zops_here: ZopsHere, watched: Watched, light: Path, light_realm: dict[str, list[Row]]
) -> None:
    """Nobody's group of the organization before gets one, though it has such a number."""
    emails = {row["id"]: row["delivery_email"] for row in light_realm["zerver_userprofile"]}
    old = {
        row["id"]: emails[row["creator"]]
        for row in light_realm["zerver_namedusergroup"]
        if row["creator"] is not None
    }
    assert watched.database is not None
    zops_here("import", "first", light)
    right = creators(watched.database, "first")
    assert sorted(right.values()) == sorted(old.values())
    zops_here("import", "acme", light, "--like-server")
    assert creators(watched.database, "first") == right
    ours = creators(watched.database, "acme")
    assert ours.items() <= old.items()
    assert len(ours) < len(old)


def test_the_name_that_was_asked_for_stays(
    zops_here: ZopsHere, watched: Watched, light: Path, tmp_path: Path
) -> None:
    zops_here("import", "acme", light, "--like-server", "--name", "Acme, like there")
    zops_here("export", "-r", "acme", "--output", tmp_path / "again")
    again = WholeExport.read(tmp_path / "again")
    assert again.rows("zerver_realm")[0]["name"] == "Acme, like there"
