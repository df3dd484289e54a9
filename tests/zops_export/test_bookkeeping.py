"""What an export writes to the database: its row, the audit log, and an organization it closes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.reading import WholeExport
from tests.sessions_of_django import log_in, sessions
from tests.zops_realm.realm_state import audit, insert, realm_row, rows, update
from zcore.crash_points import CRASHED, VARIABLE
from zops_export.export_row import ExportStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing import SampleRealm, TemporaryPlugins, Zops, ZopsInProcess

DEACTIVATED, REACTIVATED, EXPORTED = 201, 202, 206
STAGE = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_export_stages():
        return [Stage("more", "dist_of_more.work:more", needs=("realm",))]
"""
LISTENER = """
    import os
    from zcore import hookimpl

    @hookimpl
    def zops_committed(change, context):
        with open(os.environ["HEARD"], "a") as file:
            file.write(f"{change.kind} {sorted(change.details.get('session_keys', ()))}\\n")
"""


def exports(database: Database) -> list[dict[str, Any]]:
    """The rows of all exports, in the order in which they were asked for."""
    return rows(database, "zerver_realmexport")


def states(database: Database) -> list[int]:
    """What the rows of all exports say."""
    return [row["status"] for row in exports(database)]


@pytest.fixture
def failing(temporary_plugins: TemporaryPlugins) -> str:
    """A plugin that fails every export when the rows of the realm are written; what it says."""
    work = "import zcore\n\ndef more(job):\n    raise zcore.Failed('no more')\n"
    temporary_plugins.install("more", STAGE, work=work)
    return "no more"


@pytest.fixture
def heard(
    temporary_plugins: TemporaryPlugins, zops_environment: dict[str, str], tmp_path: Path
) -> Path:
    """What plugins are told of commits, a line each."""
    temporary_plugins.install("listener", LISTENER)
    zops_environment["HEARD"] = str(tmp_path / "heard")
    return tmp_path / "heard"


def test_the_row_of_an_export(
    zops_in_process: ZopsInProcess, database: Database, realm: SampleRealm, tmp_path: Path
) -> None:
    before = datetime.now(UTC)
    target = tmp_path / "acme.tar.gz"
    words = ("export", "-r", "acme", "--output", target, "--public-only")
    done = zops_in_process("--json", *words).json()
    (row,) = exports(database)
    moments = [row.pop(f"date_{name}") for name in ("requested", "started", "succeeded")]
    assert moments == sorted(moments)
    assert before < moments[0]
    assert moments[-1] < datetime.now(UTC)
    found = WholeExport.read(target)
    assert row == {
        "id": done["export_id"],
        "type": 1,
        "status": ExportStatus.SUCCEEDED,
        "date_failed": None,
        "date_deleted": None,
        "export_path": None,
        "sha256sum_hex": hashlib.sha256(target.read_bytes()).hexdigest(),
        "tarball_size_bytes": target.stat().st_size,
        "stats": found.others["stats.json"],
        "acting_user_id": None,
        "realm_id": realm.realm_id,
    }
    assert audit(database, realm.realm_id, EXPORTED) == [{"realm_export_id": row["id"]}]
    (exported,) = found.rows("zerver_realmexport")
    assert {key: exported[key] for key in ("id", "status", "date_succeeded", "stats")} == {
        "id": row["id"],
        "status": ExportStatus.STARTED,
        "date_succeeded": None,
        "stats": None,
    }


def _scheduled_email(database: Database, realm: SampleRealm) -> None:
    email = insert(
        database,
        "zerver_scheduledemail",
        realm_id=realm.realm_id,
        type=1,
        data="{}",
        scheduled_timestamp=datetime.now(UTC) + timedelta(days=1),
    )
    link = {"scheduledemail_id": email, "userprofile_id": realm.owner.user_id}
    insert(database, "zerver_scheduledemail_users", **link)


def test_an_export_deactivates_what_it_takes_away(
    zops_in_process: ZopsInProcess,
    database: Database,
    realm: SampleRealm,
    heard: Path,
    tmp_path: Path,
) -> None:
    log_in(database, realm.owner.user_id, "of-olive")
    _scheduled_email(database, realm)
    zops_in_process("export", "-r", "acme", "--output", tmp_path / "out", "--deactivate-realm")
    assert realm_row(database, realm.realm_id)["deactivated"]
    (entry,) = audit(database, realm.realm_id, DEACTIVATED)
    assert entry == {
        "10": {"11": {"100": 1, "200": 1, "300": 0, "400": 2, "600": 1}, "12": 1},
        "deactivation_reason": "self_hosting_migration",
    }
    assert sessions(database) == set()
    assert rows(database, "zerver_scheduledemail") == []
    assert heard.read_text() == "realm.deactivated ['of-olive']\n"
    found = WholeExport.read(tmp_path / "out")
    (exported,) = found.rows("zerver_realm")
    assert exported["deactivated"] is False
    assert [row["event_type"] for row in found.rows("zerver_realmauditlog")].count(201) == 1
    assert states(database) == [ExportStatus.SUCCEEDED]


def test_an_export_that_fails_opens_it_again(
    zops_in_process: ZopsInProcess,
    database: Database,
    realm: SampleRealm,
    failing: str,
    heard: Path,
    tmp_path: Path,
) -> None:
    log_in(database, realm.owner.user_id, "of-olive", "of-olive-too")
    _scheduled_email(database, realm)
    words = ("export", "-r", "acme", "--output", tmp_path / "out", "--deactivate-realm")
    done = zops_in_process(*words, exit_code=1)
    assert failing in done.stderr
    assert (
        "the organization 'acme' is active again; what cannot be taken back: 2 login sessions were"
        " ended and 1 scheduled mails dropped" in done.stderr
    )
    assert not realm_row(database, realm.realm_id)["deactivated"]
    assert len(audit(database, realm.realm_id, REACTIVATED)) == 1
    assert heard.read_text().splitlines()[-1] == "realm.reactivated []"
    (row,) = exports(database)
    assert row["status"] == ExportStatus.FAILED
    assert row["date_failed"] >= row["date_started"]
    assert row["sha256sum_hex"] is None
    assert audit(database, realm.realm_id, EXPORTED) == []


def test_what_others_have_done_meanwhile_stays(
    zops_in_process: ZopsInProcess,
    database: Database,
    realm: SampleRealm,
    temporary_plugins: TemporaryPlugins,
    tmp_path: Path,
) -> None:
    """Somebody opens it and closes it again, for reasons of their own, before the export fails."""
    work = """
    from datetime import UTC, datetime
    import zcore
    from zcore.database import Database
    from zcore.organizations.closing import close_realm, reopen_realm

    def more(job):
        other = Database(job.context.database.url)
        with other.begin() as connection:
            reopen_realm(connection, job.realm.realm_id, datetime.now(UTC))
            close_realm(connection, job.realm.realm_id, "inactivity", datetime.now(UTC))
        other.close()
        raise zcore.Failed("no more")
    """
    temporary_plugins.install("more", STAGE, work=work)
    words = ("export", "-r", "acme", "--output", tmp_path / "out", "--deactivate-realm")
    done = zops_in_process(*words, exit_code=1)
    assert "active again" not in done.stderr
    assert realm_row(database, realm.realm_id)["deactivated"]
    assert states(database) == [ExportStatus.FAILED]


def test_what_cannot_be_deactivated(
    zops_in_process: ZopsInProcess, database: Database, realm: SampleRealm, tmp_path: Path
) -> None:
    output = ("--output", tmp_path / "out", "--deactivate-realm")
    internal = zops_in_process("--json", "export", "-r", "zulipinternal", *output, exit_code=3)
    assert internal.codes() == {"internal-realm"}
    update(database, "zerver_realm", realm.realm_id, deactivated=True)
    for more in ((), ("--dry-run",)):
        refused = zops_in_process("--json", "export", "-r", "acme", *output, *more, exit_code=3)
        assert refused.codes() == {"realm-deactivated"}
    assert exports(database) == []
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
    zops_in_process("export", "-r", "acme", "--output", tmp_path / "out")
    (exported,) = WholeExport.read(tmp_path / "out").rows("zerver_realm")
    assert exported["deactivated"] is True


def test_two_exports_at_once_keep_out_of_each_others_way(
    zops_in_process: ZopsInProcess,
    database: Database,
    realm: SampleRealm,
    temporary_plugins: TemporaryPlugins,
    tmp_path: Path,
) -> None:
    """While one is made that deactivates, a second is made that fails, and a third is refused."""
    work = """
    import os, subprocess, sys

    def more(job):
        if "SECOND" in os.environ:
            raise OSError("not a second one")
        for number, flags in ((1, ()), (3, ("--deactivate-realm",))):
            words = [sys.executable, "-m", "zcore", "export", "-r", "acme", "--output", "two"]
            done = subprocess.run([*words, *flags], env=os.environ | {"SECOND": "1"})
            assert done.returncode == number, done
    """
    temporary_plugins.install("more", STAGE, work=work)
    zops_in_process("export", "-r", "acme", "--output", tmp_path / "one", "--deactivate-realm")
    assert states(database) == [ExportStatus.SUCCEEDED, ExportStatus.FAILED]
    assert realm_row(database, realm.realm_id)["deactivated"]
    assert not (tmp_path / "two").exists()


def kill(zops: Zops, where: str, *words: str | Path) -> None:
    """Let an export of the organization die at a crash point."""
    words = ("export", "-r", "acme", *words)
    zops(*words, env={VARIABLE: where}, exit_code=CRASHED)


def test_a_resumed_export_goes_on_with_its_row(
    zops: Zops, zops_in_process: ZopsInProcess, sqlite_database: Database, sqlite_realm: SampleRealm
) -> None:
    output = ("--output", zops.folder / "out", "--deactivate-realm")
    kill(zops, "export-requested", *output)
    assert states(sqlite_database) == [ExportStatus.REQUESTED]
    kill(zops, "stage-done:realm", *output, "--resume")
    (row,) = exports(sqlite_database)
    assert row["status"] == ExportStatus.STARTED
    done = zops_in_process("--json", "export", "-r", "acme", *output, "--resume").json()
    assert done["export_id"] == row["id"]
    assert states(sqlite_database) == [ExportStatus.SUCCEEDED]
    assert len(audit(sqlite_database, sqlite_realm.realm_id, DEACTIVATED)) == 1
    (exported,) = WholeExport.read(zops.folder / "out").rows("zerver_realm")
    assert exported["deactivated"] is False


def test_the_row_of_an_export_that_was_killed_says_failed_after_the_next(
    zops: Zops, zops_in_process: ZopsInProcess, sqlite_database: Database, sqlite_realm: SampleRealm
) -> None:
    kill(zops, "export-started", "--deactivate-realm")  # its name has the time in it
    next_one = zops_in_process("export", "-r", "acme")
    assert "'acme' is still deactivated, for an export that was killed" in next_one.stderr
    assert states(sqlite_database) == [ExportStatus.FAILED, ExportStatus.SUCCEEDED]
    kill(zops, "stage-done:stats", "--output", zops.folder / "out")
    zops_in_process("export", "-r", "acme", "--output", zops.folder / "out")
    assert states(sqlite_database)[2:] == [ExportStatus.FAILED, ExportStatus.SUCCEEDED]


def test_what_a_killed_export_has_deactivated_the_next_takes_over(
    zops: Zops, zops_in_process: ZopsInProcess, sqlite_database: Database, sqlite_realm: SampleRealm
) -> None:
    words = ("--output", zops.folder / "out", "--deactivate-realm")
    kill(zops, "stage-done:stats", *words)
    zops_in_process("export", "-r", "acme", *words)
    assert states(sqlite_database) == [ExportStatus.FAILED, ExportStatus.SUCCEEDED]
    assert len(audit(sqlite_database, sqlite_realm.realm_id, DEACTIVATED)) == 1
    (exported,) = WholeExport.read(zops.folder / "out").rows("zerver_realm")
    assert exported["deactivated"] is False


def assert_works_without(zops: ZopsInProcess, folder: Path, why: str) -> None:
    """An export works, and says in one line what it did not write; it closes nothing."""
    done = zops("--json", "export", "-r", "acme", "--output", folder / "out.tar.gz")
    assert done.json()["export_id"] is None
    (line,) = done.stderr.splitlines()
    assert line.startswith("the database will not know of this export")
    assert why in line
    words = ("export", "-r", "acme", "--output", folder / "other", "--deactivate-realm")
    refused = zops("--json", *words, exit_code=3)
    assert refused.codes() == {"read-only"}
    assert not list(folder.glob("*other*"))


@pytest.mark.postgres
class TestReadOnly:
    def reader(self, database: Database, zops: ZopsInProcess) -> None:
        """Let `zops` be a role that may only read."""
        role = f"reader_{database.url.database}"
        with database.begin() as connection:
            for statement in (
                f"CREATE ROLE {role} LOGIN PASSWORD 'reader'",
                f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
            ):
                connection.exec_driver_sql(statement)
        url = database.url.set(username=role, password="reader")  # noqa: S106  # of this test
        zops.environment["ZOPS_DATABASE"] = url.render_as_string(hide_password=False)

    def test_of_a_role_that_may_only_read(
        self,
        zops_in_process: ZopsInProcess,
        postgres_database: Database,
        postgres_realm: SampleRealm,
        tmp_path: Path,
    ) -> None:
        self.reader(postgres_database, zops_in_process)
        try:
            assert_works_without(zops_in_process, tmp_path, "permission denied")
        finally:
            role = f"reader_{postgres_database.url.database}"
            with postgres_database.begin() as connection:
                connection.exec_driver_sql(f"DROP OWNED BY {role}; DROP ROLE {role}")
        assert exports(postgres_database) == []

    def test_of_a_database_that_only_lets_read(
        self,
        zops_in_process: ZopsInProcess,
        postgres_database: Database,
        postgres_realm: SampleRealm,
        tmp_path: Path,
    ) -> None:
        name = postgres_database.url.database
        with postgres_database.begin() as connection:
            connection.exec_driver_sql(
                f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
            )
        assert_works_without(zops_in_process, tmp_path, "read-only transaction")
        assert exports(postgres_database) == []


def test_of_a_file_that_only_lets_read(
    zops_in_process: ZopsInProcess,
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    small_disk: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    disk = small_disk(4000)
    with closing(sqlite3.connect(str(sqlite_database.url.database))) as connection:
        connection.execute("VACUUM INTO ?", (str(disk / "acme.db"),))  # all of it in one file
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)  # noqa: S607  # wherever it is
    zops_in_process.environment["ZOPS_DATABASE"] = f"sqlite:///{disk / 'acme.db'}"
    assert_works_without(zops_in_process, tmp_path, "can only be read")


def test_a_database_that_is_gone_at_the_end_is_a_finding(
    zops_in_process: ZopsInProcess,
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    temporary_plugins: TemporaryPlugins,
    tmp_path: Path,
) -> None:
    """The export is there, and whole."""
    work = """
    from zcore.database import Database

    def more(job):
        other = Database(job.context.database.url)
        with other.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER no BEFORE UPDATE ON zerver_realmexport"
                " BEGIN SELECT RAISE(ABORT, 'not now'); END"
            )
        other.close()
    """
    temporary_plugins.install("more", STAGE, work=work)
    target = tmp_path / "out.tar.gz"
    done = zops_in_process("--json", "export", "-r", "acme", "--output", target, exit_code=5)
    (finding,) = done.json()["findings"]
    assert finding["code"] == "not-written-down"
    assert "not now" in finding["message"]
    assert json.loads(zops_in_process("--json", "verify", target).stdout)["problems"] == []
    assert states(sqlite_database) == [ExportStatus.STARTED]
