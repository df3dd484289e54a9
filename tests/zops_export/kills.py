"""Killing exports anywhere, and going on with them: for tests, and the campaign in `bench/`."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from tests.interop.comparing import MARK, differences_by_id
from tests.interop.reading import WholeExport
from zcore.crash_points import CRASHED, VARIABLE
from zops_export.claimed_folder import work_folder_of
from zops_export.export_record import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.commands import Runner, Zops

ABOUT_EXPORTS = "zerver_realmexport"
BEFORE_STAGES = ("export-requested", "export-started")
AFTER_STAGES = ("whole", "published", "export-succeeded")


class Campaign:
    """Exports of the organization `acme` to `output`, again and again, each killed once.

    `zops` is the installed command on a database that nobody else writes to; `here` runs what is
    not to be killed.
    """

    def __init__(self, zops: Zops, here: Runner, output: Path, *, deep: bool = False) -> None:
        """`deep`: what was gone on with is imported, too, to see whether it is whole."""
        self._zops = zops
        self._here = here
        self._output = output
        self._verify = ["verify", str(output), *(["--deep"] if deep else [])]
        self._words = ("export", "-r", "acme", "--output", str(output))
        started = time.monotonic()
        self._stages = [stage["name"] for stage in zops("--json", *self._words).json()["stages"]]
        self.seconds = time.monotonic() - started
        self._whole = _read(output)
        self._copied = [name for name in self._whole.files if "records.json" not in name]
        self.start_anew()

    @property
    def points(self) -> list[str]:
        """Every place where an export can be told to die; of copied files the first and last."""
        stages = [f"stage-done:{name}" for name in self._stages]
        copied = [f"copied:{name}" for name in sorted({self._copied[0], self._copied[-1]})]
        return [*BEFORE_STAGES, *copied, *stages, *AFTER_STAGES]

    def kill_at(self, point: str) -> None:
        """Let an export die at one of the points. Raises when it does not come there."""
        self._zops(*self._words, "--threads", "1", env={VARIABLE: point}, exit_code=CRASHED)

    def kill_after(self, seconds: float) -> bool:
        """Kill an export after so many seconds; False when it was over before."""
        process = self._zops.start(*self._words, "--resume")
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        return process.returncode != 0

    def go_on(self) -> None:
        """Resume it. Raises `AssertionError` when the result is not whole, or another one."""
        if not self._is_over:
            self._here(*self._words, "--resume")
        self._here(*self._verify)
        found = differences_by_id(self._whole, again := _read(self._output))
        assert not found, "\n".join(found)
        assert again.records == self._whole.records
        assert again.files == self._whole.files
        assert [path.name for path in self._output.parent.iterdir()] == [self._output.name]
        self.start_anew()

    def start_anew(self) -> None:
        """Throw away whatever there is."""
        for path in self._output.parent.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @property
    def _is_over(self) -> bool:
        """Was it killed when there was nothing left to do?"""
        return self._output.exists() and read_record(work_folder_of(self._output)) is None


def _read(path: Path) -> WholeExport:
    """The export without what the database says of exports, which each one adds to."""
    found = WholeExport.read(path)
    del found.tables[ABOUT_EXPORTS]
    log = found.tables["zerver_realmauditlog"]
    found.tables["zerver_realmauditlog"] = [row for row in log if row["event_type"] != MARK]
    return found
