"""Imports and exports that are stopped in the middle: nothing of them is left."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.comparing import assert_agree
from tests.interop.reading import REAL_EXPORTS, WholeExport
from tests.zops_export.spoiling import Watched
from zcore.testing.plugins import TemporaryPlugins

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from zcore.database import Database
    from zcore.testing.commands import Zops

IMPORT_STAGES = ("realm-rows", "message-rows", "finish-rows", "files")
EXPORT_STAGES = ("uploads", "messages", "realm")
SECONDS = 60

PLUGIN = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_{command}_stages():
        return [Stage("hold", "dist_of_hold.work:hold", needs=({after!r},), before={later!r})]
"""
HOLD = """
    import os, time

    def hold(job):
        open(os.environ["READY"], "w").close()
        end = time.monotonic() + 60
        while not os.path.exists(os.environ["GO"]) and time.monotonic() < end:
            if job.context.stop.is_set():
                return
            time.sleep(0.01)
"""


class Held:
    """A command that waits behind one of its stages until it is let go."""

    def __init__(self, zops: Zops, folder: Path, command: str, after: str) -> None:
        self.zops = zops
        self.ready, self.go = folder / "ready", folder / "go"
        stages = IMPORT_STAGES if command == "import" else EXPORT_STAGES
        later = stages[stages.index(after) + 1 :] if command == "import" else ("stats",)
        TemporaryPlugins(folder / "site", zops.environment).install(
            "hold", PLUGIN.format(command=command, after=after, later=later), work=HOLD
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start it, and wait until it waits."""
        environment = {"READY": str(self.ready), "GO": str(self.go)}
        process = self.zops.start(*arguments, env=environment)
        end = time.monotonic() + SECONDS
        while not self.ready.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        return process

    def stop(self, process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
        """Send it a signal, by which it stops waiting; its exit code and what it said."""
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=SECONDS)
        return process.returncode, stdout, stderr

    def end(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Let it go; its exit code and what it said."""
        self.go.touch()
        stdout, stderr = process.communicate(timeout=SECONDS)
        return process.returncode, stdout, stderr


@pytest.fixture
def zops_on(zops: Zops, database: Database, tmp_path: Path) -> Zops:
    """The installed command on a database of each kind."""
    (tmp_path / "temporary").mkdir()
    zops.environment |= {
        "ZOPS_DATABASE": database.url.render_as_string(hide_password=False),
        "ZOPS_UPLOADS": str(tmp_path / "uploads"),
        "ZOPS_AVATAR_SALT": "a-salt",
        "TMPDIR": str(tmp_path / "temporary"),
    }
    return zops


def _watched(database: Database, folder: Path) -> Watched:
    return Watched(database, folder / "uploads", folder / "temporary")


@pytest.mark.parametrize(
    ("after", "number"),
    [
        ("message-rows", signal.SIGTERM),
        ("files", signal.SIGINT),
    ],
)
def test_an_import_is_stopped(
    after: str,
    number: signal.Signals,
    zops_on: Zops,
    database: Database,
    light: Path,
    tmp_path: Path,
) -> None:
    held = Held(zops_on, tmp_path, "import", after)
    with _watched(database, tmp_path).unchanged():
        process = held.start("import", "acme", light)
        code, stdout, stderr = held.stop(process, number)
    assert (code, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "zops: error: stopped by a signal"
    assert "Traceback" not in stderr


@pytest.mark.parametrize(("after", "suffix"), [("uploads", ""), ("messages", ".tar.gz")])
def test_an_export_is_stopped(
    after: str, suffix: str, zops_on: Zops, database: Database, light: Path, tmp_path: Path
) -> None:
    zops_on("import", "acme", light)
    held = Held(zops_on, tmp_path, "export", after)
    (tmp_path / "out").mkdir()
    watched = _watched(database, tmp_path)
    watched.folders = (*watched.folders, tmp_path / "out")
    with watched.unchanged_but_for_the_failure():
        process = held.start("export", "-r", "acme", "--output", tmp_path / "out" / f"a{suffix}")
        code, stdout, stderr = held.stop(process, signal.SIGINT)
    assert (code, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "zops: error: stopped by a signal"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_signal_at_any_moment(
    seed: int, zops: Zops, tmp_path: Path, sqlite_database: Database
) -> None:
    """Either it was stopped and nothing is left, or it was done and everything is there."""
    moments = random.Random(seed)  # noqa: S311  # no secret
    zops.environment["ZOPS_DATABASE"] = sqlite_database.url.render_as_string()
    watched = Watched(sqlite_database, tmp_path)
    before = watched.look()
    process = zops.start("import", "acme", REAL_EXPORTS["full"])
    time.sleep(moments.uniform(0.2, 2.5))
    process.send_signal(moments.choice([signal.SIGINT, signal.SIGTERM]))
    _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode in (0, 130, -signal.SIGINT, -signal.SIGTERM), stderr
    assert "Traceback" not in stderr
    if process.returncode != 0:
        after = watched.look()
        assert after.rows == before.rows
        assert _without_home(after.files) == _without_home(before.files)
        return
    zops("export", "-r", "acme", "--output", tmp_path / "again")
    again = WholeExport.read(tmp_path / "again")
    assert_agree(WholeExport.read(REAL_EXPORTS["full"]), again, other_database=True)


def _without_home(files: frozenset[str]) -> set[str]:
    """Without the data folder and its salt, which are made before the import begins, and what
    SQLite keeps beside an open database.
    """
    ours = ("zops-home", "avatar_salt", "zops-test.db-wal", "zops-test.db-shm")
    return {name for name in files if Path(name).name not in ours}


@pytest.mark.postgres
@pytest.mark.parametrize("command", ["import", "export"])
def test_the_database_server_ends_the_connection(
    command: str,
    zops: Zops,
    postgres_database: Database,
    light: Path,
    tmp_path: Path,
    end_connections: Callable[[], None],
) -> None:
    zops.environment |= {
        "ZOPS_DATABASE": postgres_database.url.render_as_string(hide_password=False),
        "ZOPS_UPLOADS": str(tmp_path / "uploads"),
        "ZOPS_AVATAR_SALT": "a-salt",
    }
    (tmp_path / "out").mkdir()
    words: tuple[str | Path, ...] = ("import", "acme", light)
    if command == "export":
        zops(*words)
        words = ("export", "-r", "acme", "--output", tmp_path / "out" / "acme")
    held = Held(zops, tmp_path, command, "realm-rows" if command == "import" else "uploads")
    watched = Watched(postgres_database, tmp_path / "uploads", tmp_path / "out")
    exporting = command == "export"
    with watched.unchanged_but_for_the_failure() if exporting else watched.unchanged():
        process = held.start(*words)
        end_connections()
        code, stdout, stderr = held.end(process)
    assert (code, stdout) == (4, "")
    # Before our line the driver may say something of its own.
    assert stderr.splitlines()[-1].startswith("zops: error: the database server at 127.0.0.1")
    assert "Traceback" not in stderr


@pytest.fixture
def end_connections(postgres_database: Database) -> Callable[[], None]:
    """Ends every connection of another `zops` to the database."""

    def end() -> None:
        with postgres_database.begin() as connection:
            ended = connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ).all()
        assert ended

    return end
