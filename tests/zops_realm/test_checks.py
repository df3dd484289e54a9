"""`zops doctor` says what is in the database, and does not make one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.server import django_migrations

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database
    from zcore.testing.commands import Runner, Zops


def checked(zops: Runner, *options: str) -> dict[str, dict[str, str]]:
    """What doctor says, by check."""
    said = zops("--json", "doctor", *options, check=False).json()
    return {check["name"]: check for check in said["checks"]}


def test_a_database_of_ours(zops_here: Runner) -> None:
    empty = checked(zops_here)
    zops_here("create-realm", "Acme", "o@a.test", "Ora O", "--no-password")
    used = checked(zops_here)

    assert (empty["realms"]["status"], empty["schema-version"]["status"]) == ("ok", "ok")
    assert "create-realm" in empty["realms"]["message"]
    assert used["realms"]["message"].startswith("2 ")


def test_a_database_of_a_server(zops: Zops, restored_dump: Callable[[str], str]) -> None:
    zops.environment["ZOPS_DATABASE"] = restored_dump("zulip10-base")

    found = checked(zops, "--server")

    assert found["schema-version"]["status"] == "ok"
    assert found["schema-version"]["message"] == "tables of a Zulip server 10.0"
    assert found["server-database"]["status"] == "ok"
    assert found["realms"]["message"].startswith("3 ")


def test_a_newer_server_is_warned_of(zops_here: Runner, database: Database) -> None:
    with database.begin() as connection:
        connection.execute(
            sa.insert(django_migrations),
            {
                "app": "zerver",
                "name": "0777_from_the_future",
                "applied": datetime.now(UTC),
            },
        )

    found = checked(zops_here)["schema-version"]

    assert found["status"] == "warning"
    assert "0777_from_the_future" in found["message"]


def test_without_a_database_nothing_is_made(zops: Zops) -> None:
    found = checked(zops)

    assert (found["realms"]["status"], found["schema-version"]["status"]) == ("skipped", "skipped")
    assert not list(zops.folder.rglob("*.db"))
