"""What is to be seen of an export while it runs, and when it is done."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from zcore.organizations.lookup import find_realm
from zcore.testing.plugins import TemporaryPlugins
from zops_export import expected_work
from zops_export.counting import count_rows
from zops_export.selection import Mode, Selection
from zops_export.system_bots import find_system_bots

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.commands import Zops

SECONDS = 30
PLUGIN = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_export_stages():
        return [Stage("slow", "dist_of_slow.work:work")]
"""
WORK = """
    import os, time
    from zcore import Estimate

    def work(job):
        job.expect(Estimate(rows=4000))
        with job.open("slow.txt") as file:
            file.write(b"-" * 1_000_000)
            job.advance(rows=1000)
            while not os.path.exists("go on"):
                job.may_go_on()
                time.sleep(0.01)
        job.advance(rows=3000)
"""


@pytest.fixture
def slow(zops: Zops, tmp_path: Path, with_realm: ZopsHere) -> Zops:
    """`zops` as a process, with an organization and a stage that waits for the file `go on`."""
    zops.environment |= with_realm.environment
    TemporaryPlugins(tmp_path / "site", zops.environment).install("slow", PLUGIN, work=WORK)
    return zops


def test_on_a_terminal(slow: Zops) -> None:
    """A line for each stage that runs and one for all, until it is done; then the times."""
    with on_a_terminal(slow, "export", "-r", "acme", "--output", "seen") as (screen, process):
        seen = read_until(screen, r"slow +1,000 rows +1\.0 MB +[\d,]+ rows/s +\d+:\d\d left")
        seen += read_until(screen, r"exporting 'acme' \(\d+ of 11 stages\) +[\d,]+ rows")
        (slow.folder / "go on").touch()
        seen += read_until(screen, r"total +[\d,]+ .*\n")
        assert process.wait(SECONDS) == 0
    assert re.search(r"stage +rows +files +size +seconds +rows/s +size/s", seen)
    assert "warning" not in seen


@pytest.mark.parametrize(
    ("words", "shown"), [((), True), (("--quiet",), False), (("--json",), False)]
)
def test_without_a_terminal(words: tuple[str, ...], shown: bool, slow: Zops) -> None:
    """Only the times, when nobody asked for quiet, and not beside the same in JSON."""
    (slow.folder / "go on").touch()
    done = slow(*words, "export", "-r", "acme", "--output", "out")
    lines = done.stderr.splitlines()
    assert [line.split()[0] for line in lines[:1] + lines[-1:]] == ["stage", "total"] * shown
    assert "\x1b" not in done.stderr
    if "--json" in words:
        stages = {stage["name"]: stage for stage in done.json()["stages"]}
        assert stages["slow"]["rows"] == 4000
        assert stages["slow"]["bytes"] == 1_000_000
        assert stages["slow"]["rows_per_second"] > 0
        assert stages["realm"]["bytes"] == (slow.folder / "out" / "realm.json").stat().st_size
        assert done.json()["files"] == 0


def test_what_is_expected(
    zops_here: ZopsHere, database: Database, light: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guesses, made without counting: near enough where an organization has a database alone.

    What a planner makes of the conditions on subscriptions is the farthest off.
    """
    zops_here.on(database)("import", "acme", light)
    with database.begin() as connection:
        connection.execute(sa.text("ANALYZE"))
    monkeypatch.setattr(expected_work, "LARGE", 10)
    with database.read() as connection:
        realm = find_realm(connection, "acme")
        selection = Selection(realm.realm_id, Mode.FULL, find_system_bots(connection, "acme"), {})
        guessed = expected_work.guessed_rows(connection, selection)
        counted = count_rows(connection, selection)
    for table in ("zerver_message", "zerver_usermessage", "zerver_subscription"):
        assert counted[table] / 4 < guessed[table] < counted[table] * 4


@contextmanager
def on_a_terminal(zops: Zops, *words: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`zops` with a terminal as its stderr: what can be read from there, and the process."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [zops.program, *words],
        env=zops.environment | {"TERM": "xterm", "COLUMNS": "120"},
        cwd=zops.folder,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    )
    os.close(terminal)
    try:
        yield screen, process
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def read_until(screen: int, pattern: str) -> str:
    """What was written until `pattern` was there. Fails when it does not come."""
    seen = ""
    while not re.search(pattern, seen):
        assert select.select([screen], [], [], SECONDS)[0], f"no {pattern!r} in\n{seen}"
        seen += os.read(screen, 65536).decode()
    return seen
