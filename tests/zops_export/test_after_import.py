"""What follows an import: a report, work for others, statistics of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.interop.reading import REAL_EXPORTS
from tests.zops_export.spoiling import change_json
from zcore import Unreachable
from zcore.schema import tables
from zops_export import import_report

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database

images = tables["zerver_imageattachment"]


@pytest.fixture
def acme(zops_here: ZopsHere, sqlite_database: Database) -> ZopsHere:
    return zops_here.on(sqlite_database)


def by_code(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["code"]: item for item in items}


def test_what_there_is_to_know_and_to_do(acme: ZopsHere) -> None:
    report = acme("--json", "import", "acme", REAL_EXPORTS["full"]).json()["report"]
    assert report["came_in"] == {
        "people": 29,
        "deactivated_accounts": 1,
        "bots": 3,
        "messages": 2013,
        "channels": 8,
        "uploads": 25,
        "custom_emoji": 7,
        "files": 75,
    }
    changed, to_do = by_code(report["changed"]), by_code(report["to_do"])
    assert "'small'" in changed["subdomain"]["text"]
    assert (changed["pictures"]["count"], changed["images"]["count"]) == (18, 10)
    for code in ("links", "mentions", "upload_links"):
        assert changed[code]["count"] > 0
    assert to_do["passwords"]["count"] == 29
    assert to_do["passwords"]["command"].startswith("zops user send-password-reset --realm acme")
    assert to_do["bots"]["count"] == 3
    assert to_do["scheduled_messages"]["count"] == 7
    assert "reactivate" not in to_do


def test_what_does_not_apply_is_not_said(acme: ZopsHere, light_copy: Path) -> None:
    """A closed organization where nobody logs in by a password."""

    def change(tables: dict[str, Any]) -> None:
        (realm,) = tables["zerver_realm"]
        realm.update(deactivated=True, string_id="acme", plan_type=3)
        methods = tables["zerver_realmauthenticationmethod"]
        methods[:] = [row for row in methods if row["name"] != "Email"]

    change_json(light_copy / "realm.json", change)
    change_json(light_copy / "stats.json", lambda stats: stats["realm"].clear())
    text = acme("import", "acme", light_copy).stdout
    assert "open it: zops realm reactivate acme\n" in text
    assert "the limits of the old plan are lifted" in text
    assert "password" not in text
    assert "the subdomain was" not in text


@pytest.mark.parametrize("told", [True, False])
def test_thumbnails_are_asked_for_where_a_broker_is_known(
    told: bool, acme: ZopsHere, sqlite_database: Database, light: Path
) -> None:
    if told:
        acme.environment["ZOPS_BROKER"] = "embedded"
    acme("import", "acme", light)
    with sqlite_database.read() as connection:
        ids = set(connection.scalars(sa.select(images.c.id)))
    assert ids
    asked = acme("--json", "queue", "peek", "thumbnail", check=False).json().get("events", [])
    assert {event["event"]["id"] for event in asked} == (ids if told else set())


def test_a_broker_that_is_gone_does_not_fail_the_import(acme: ZopsHere, light: Path) -> None:
    acme.environment["ZOPS_BROKER"] = "amqp://nobody:@127.0.0.1:1/"
    done = acme("import", "acme", light)
    assert "thumbnails are made when somebody looks at an image" in done.stderr


def test_a_report_that_cannot_be_made_does_not_fail_the_import(
    acme: ZopsHere, light: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_arguments: object) -> None:
        raise Unreachable("nobody answers")

    monkeypatch.setattr(import_report, "_look", gone)
    done = acme("import", "acme", light)
    assert "the report of the import is not whole: nobody answers" in done.stderr
    assert "messages" in done.stdout


@pytest.mark.postgres
def test_the_database_knows_how_much_came(zops_here: ZopsHere, postgres_database: Database) -> None:
    zops_here.on(postgres_database)("import", "acme", REAL_EXPORTS["full"])
    estimate = "SELECT reltuples FROM pg_class WHERE relname = 'zerver_usermessage'"
    with postgres_database.read() as connection:
        assert connection.exec_driver_sql(estimate).scalar_one() == 25_555
