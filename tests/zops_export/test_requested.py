"""Exports that somebody asked for in the web application: `zops export --requested`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.zops_realm.realm_state import insert, rows, update
from zops_export.export_row import ExportStatus

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing import SampleRealm, TemporaryPlugins, ZopsInProcess
    from zcore.testing.s3 import S3Buckets

ASKED = datetime(2026, 3, 4, tzinfo=UTC)
LISTENER = """
    import json, os
    from zcore import hookimpl

    @hookimpl
    def zops_committed(change, context):
        if change.kind == "realm.export_ended":
            with open(os.environ["HEARD"], "a") as file:
                file.write(json.dumps(dict(change.details)) + "\\n")
"""


@pytest.fixture
def heard(
    temporary_plugins: TemporaryPlugins, zops_environment: dict[str, str], tmp_path: Path
) -> Path:
    """What plugins are told of exports that have ended, a line each."""
    temporary_plugins.install("listener", LISTENER)
    zops_environment["HEARD"] = str(tmp_path / "heard")
    return tmp_path / "heard"


def ask(database: Database, realm: SampleRealm, **changes: object) -> int:
    """The administrator asks for an export of what is public."""
    row = {
        "realm_id": realm.realm_id,
        "type": 1,
        "status": ExportStatus.REQUESTED,
        "date_requested": ASKED,
        "acting_user_id": realm.admin.user_id,
    }
    return insert(database, "zerver_realmexport", **{**row, **changes})


def told(heard: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in heard.read_text().splitlines()] if heard.exists() else []


def test_the_row_that_is_there_is_used(
    zops_in_process: ZopsInProcess,
    database: Database,
    realm: SampleRealm,
    heard: Path,
    tmp_path: Path,
) -> None:
    number = ask(database, realm)
    words = ("export", "-r", "acme", "--requested", str(number), "--public-only")
    done = zops_in_process("--json", *words, "--output", tmp_path / "acme.tar.gz").json()
    assert done["export_id"] == number
    (row,) = rows(database, "zerver_realmexport")
    assert (row["status"], row["date_requested"]) == (ExportStatus.SUCCEEDED, ASKED)
    (entry,) = rows(database, "zerver_realmauditlog", event_type=206)
    assert entry["acting_user_id"] == realm.admin.user_id
    (said,) = told(heard)
    assert said["export_id"] == number
    (listed,) = said["exports"]
    assert (listed["pending"], listed["export_url"]) == (False, None)
    again = zops_in_process("--json", *words, "--output", tmp_path / "b.tar.gz", exit_code=3)
    assert again.json()["error"]["message"] == f"export {number} has been made already"
    assert not (tmp_path / "b.tar.gz").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": 2}, "export {} was asked for as one of another kind"),
        ({"status": ExportStatus.SUCCEEDED}, "export {} has been made already"),
        ({"status": 5}, "export {} has been made already"),
    ],
)
def test_what_cannot_be_made(
    zops_in_process: ZopsInProcess,
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    changes: dict[str, object],
    message: str,
) -> None:
    number = ask(sqlite_database, sqlite_realm, **changes)
    words = ("--json", "export", "-r", "acme", "--public-only", "--requested")
    refused = zops_in_process(*words, str(number), exit_code=3).json()["error"]
    assert (refused["code"], refused["message"]) == ("not-requested", message.format(number))
    stranger = zops_in_process(*words, str(number + 1), exit_code=3).json()["error"]
    assert stranger["message"].startswith(f"nobody has asked for an export {number + 1}")


def test_a_refusal_is_the_end_of_it(
    zops_in_process: ZopsInProcess, database: Database, realm: SampleRealm, heard: Path
) -> None:
    update(database, "zerver_userprofile", realm.owner.user_id, is_active=False)
    number, other = ask(database, realm), ask(database, realm, acting_user_id=None)
    words = ("export", "-r", "acme", "--public-only", "--requested", str(number))
    zops_in_process(*words, "--dry-run", exit_code=3)
    assert told(heard) == []
    zops_in_process(*words, exit_code=3)
    states = {row["id"]: row["status"] for row in rows(database, "zerver_realmexport")}
    assert states == {number: ExportStatus.FAILED, other: ExportStatus.REQUESTED}
    (said,) = told(heard)
    (listed,) = said["exports"]
    assert listed["failed_timestamp"] > listed["export_time"] == int(ASKED.timestamp())


@pytest.mark.s3
def test_addresses_in_s3(
    zops_in_process: ZopsInProcess,
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    heard: Path,
    s3: S3Buckets,
    zops_environment: dict[str, str],
) -> None:
    zops_environment |= {"ZOPS_UPLOADS": "s3", "ZOPS_AVATAR_SALT": "salt"}
    s3.write_settings(zops_in_process.folder / "zops.toml")
    s3.client.put_object(Bucket=s3.uploads, Key=sqlite_realm.file.path_id, Body=b"x")
    number = ask(sqlite_database, sqlite_realm)
    words = ("--json", "export", "-r", "acme", "--public-only", "--requested", str(number))
    done = zops_in_process(*words, "--upload").json()
    (said,) = told(heard)
    (listed,) = said["exports"]
    assert listed["export_url"].partition("?")[0] == done["url"].partition("?")[0]
    assert s3.exports in listed["export_url"]
