"""A signal ends an export at once, whatever it waits for, and it says so in the database.

Nothing of it is left but what `--resume` goes on with. How soon that is, is the end of the
process: a test that waits for what never comes would not end.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.spoiling import Watched
from tests.zops_export.test_bookkeeping import states
from tests.zops_realm.realm_state import audit, realm_row
from zops_export.export_row import ExportStatus

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing import SampleRealm, TemporaryPlugins, Zops

SECONDS = 30
STUCK_STORE = """
    from zcore import FileStoreKind, hookimpl

    @hookimpl
    def zops_file_stores():
        return [FileStoreKind("stuck", "dist_of_stuck.store:connect", "a share that has gone")]
"""
CONNECT = """
    import os
    from pathlib import Path
    from zcore.files import LocalStore, StorePair

    class Stuck(LocalStore):
        def open(self, key):
            Path(os.environ["READY"]).touch()
            return open(os.environ["FIFO"], "rb")  # until somebody writes, which nobody does

    def connect(place, settings):
        folder = Path(os.environ["UPLOADS"])
        return StorePair(Stuck(folder / "files"), LocalStore(folder / "avatars"))
"""
ENDLESS = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_export_stages():
        return [Stage("endless", "dist_of_endless.work:work", needs=("realm",))]
"""
WORK = """
    import os
    from pathlib import Path

    def work(job):
        Path(os.environ["READY"]).touch()
        with job.open("noise.bin") as file:
            while True:
                file.write(os.urandom(1 << 20))
"""


@pytest.fixture
def started(zops: Zops, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts an export to a folder of its own, and waits until it waits."""
    ready = tmp_path / "ready"
    zops.environment["READY"] = str(ready)
    (tmp_path / "out").mkdir()

    def start(
        *words: str, until: Callable[[], bool] = ready.exists, name: str = "acme.tar.gz"
    ) -> subprocess.Popen[str]:
        output = str(tmp_path / "out" / name)
        process = zops.start("export", "-r", "acme", "--output", output, *words)
        end = time.monotonic() + SECONDS
        while not until():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        return process

    return start


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> str:
    """Stop it with one signal; what it said."""
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=SECONDS)
    assert (process.returncode, stdout) == (130, ""), stderr
    assert "Traceback" not in stderr
    assert "zops: error: stopped" in stderr.splitlines()[-1]
    return stderr


@contextmanager
def nothing_left_in(folder: Path) -> Iterator[None]:
    """What is made in the folder is gone in the end."""
    yield
    assert os.listdir(folder) == []


@pytest.mark.postgres
def test_while_a_copy_waits_in_the_server(
    started: Callable[..., subprocess.Popen[str]],
    postgres_database: Database,
    postgres_realm: SampleRealm,
    tmp_path: Path,
) -> None:
    """Somebody changes a table, and everybody who reads it waits."""

    def waits() -> bool:
        with postgres_database.read() as connection:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return connection.exec_driver_sql(waiting).scalar_one() > 0

    with nothing_left_in(tmp_path / "out"), postgres_database.begin() as connection:
        connection.exec_driver_sql("LOCK TABLE zerver_usermessage IN ACCESS EXCLUSIVE MODE")
        stop(started("--deactivate-realm", until=waits), signal.SIGINT)
    assert states(postgres_database) == [ExportStatus.FAILED]
    assert not realm_row(postgres_database, postgres_realm.realm_id)["deactivated"]
    assert len(audit(postgres_database, postgres_realm.realm_id, 202)) == 1


@pytest.fixture
def stuck_store(
    temporary_plugins: TemporaryPlugins, zops_environment: dict[str, str], tmp_path: Path
) -> None:
    """Reading uploaded files waits for ever, as on a share that has gone."""
    temporary_plugins.install("stuck", STUCK_STORE, store=CONNECT)
    os.mkfifo(tmp_path / "fifo")
    zops_environment |= {
        "FIFO": str(tmp_path / "fifo"),
        "UPLOADS": zops_environment["ZOPS_UPLOADS"],
    }
    zops_environment["ZOPS_UPLOADS"] = "stuck://"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_while_a_file_does_not_come(
    threads: str,
    started: Callable[..., subprocess.Popen[str]],
    database: Database,
    realm: SampleRealm,
    stuck_store: None,
    tmp_path: Path,
) -> None:
    with nothing_left_in(tmp_path / "out"):
        stop(started("--threads", threads, "--deactivate-realm"))
    assert states(database) == [ExportStatus.FAILED]
    assert not realm_row(database, realm.realm_id)["deactivated"]


def test_what_may_be_resumed_stays(
    started: Callable[..., subprocess.Popen[str]],
    zops: Zops,
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    stuck_store: None,
    tmp_path: Path,
) -> None:
    stop(started("--resume", name="acme"))
    assert os.listdir(tmp_path / "out") == [".acme.partial"]
    assert states(sqlite_database) == [ExportStatus.FAILED]
    zops.environment["ZOPS_UPLOADS"] = zops.environment["UPLOADS"]
    zops("export", "-r", "acme", "--output", tmp_path / "out" / "acme", "--resume")
    assert os.listdir(tmp_path / "out") == ["acme"]
    assert states(sqlite_database) == [ExportStatus.SUCCEEDED]


@pytest.mark.parametrize("name", ["acme", "acme.tar.gz"])
def test_while_a_file_is_written_and_packed(
    name: str,
    started: Callable[..., subprocess.Popen[str]],
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    temporary_plugins: TemporaryPlugins,
    tmp_path: Path,
) -> None:
    """A file that takes for ever, of a stage that does not ask whether it may go on."""
    temporary_plugins.install("endless", ENDLESS, work=WORK)
    watched = Watched(sqlite_database, tmp_path / "out")
    with watched.unchanged_but_for_the_failure():
        stop(started(name=name))


def test_a_second_signal_ends_it_where_it_stands(
    started: Callable[..., subprocess.Popen[str]],
    sqlite_database: Database,
    sqlite_realm: SampleRealm,
    stuck_store: None,
    zops: Zops,
    tmp_path: Path,
) -> None:
    """Then the next export cleans up."""
    process = started()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "once more stops at once" in process.stderr.readline()
    stop(process, signal.SIGINT)
    zops.environment["ZOPS_UPLOADS"] = zops.environment["UPLOADS"]
    zops("export", "-r", "acme", "--output", tmp_path / "out" / "acme.tar.gz")
    assert states(sqlite_database) == [ExportStatus.FAILED, ExportStatus.SUCCEEDED]
    assert os.listdir(tmp_path / "out") == ["acme.tar.gz"]
