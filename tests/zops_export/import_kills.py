"""Killing imports anywhere, and seeing to them: for tests, and the campaign in `bench/`."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.reading import WholeExport
from tests.zops_export.spoiling import Watched
from zcore import Refused
from zcore.crash_points import CRASHED, VARIABLE
from zops_export.import_journal import ImportJournal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.commands import Completed, Runner, Zops

REALM = "acme"
SECONDS_TO_END = 300
STAGES = ("realm-rows", "message-rows", "finish-rows", "files")
# Clients, and what the server's indexer is to look at, stay when an organization goes.
NOT_ALWAYS = ("fts_update_log", "zerver_client")
COMPLETE = ("import-committed", "import-told")


@dataclass(frozen=True)
class Seen:
    """What is in a database and a folder of files: numbers of rows, and contents."""

    rows: Counter[str]
    files: Counter[str]

    def __sub__(self, other: Seen) -> Seen:
        return Seen(self.rows - other.rows, self.files - other.files)


class ImportCampaign:
    """Imports of `source` as `acme`, again and again, each killed once and then seen to.

    `zops` is the installed command on `database`, which nobody else writes to, with its uploaded
    files in `uploads`; `here` runs what is not to be killed. `seconds` is how long one takes that
    nobody disturbs, `bytes_written` how large its files are.
    """

    def __init__(
        self, zops: Zops, here: Runner, database: Database, uploads: Path, source: Path
    ) -> None:
        self._zops, self._here = zops, here
        self._watched, self._uploads = Watched(database), uploads
        self._journal = ImportJournal(database)
        self.words = ("import", REALM, str(source))
        names = sorted(WholeExport.read(source).files)
        self._stored = [name for name in names if "records.json" not in name]
        self._here(*self.words)  # so that what an empty database gets with the first is there
        self.start_anew()
        self._before = self.look()
        started = time.monotonic()
        self._zops(*self.words)
        self.seconds = time.monotonic() - started
        self._whole = self.look() - self._before
        self.bytes_written = sum(
            path.stat().st_size for path in uploads.rglob("*") if path.is_file()
        )
        self.start_anew()

    @property
    def points(self) -> list[str]:
        """Every place where an import can be told to die; of stored files the first and last."""
        stored = [f"stored:{name}" for name in sorted({self._stored[0], self._stored[-1]})]
        stages = [f"stage-done:{name}" for name in STAGES]
        return ["import-begun", *stored, *stages, "import-before-commit", *COMPLETE]

    def kill_at(self, point: str, *words: str) -> None:
        """Let an import die at one of the points. Raises when it does not come there."""
        self._zops(*(words or self.words), env={VARIABLE: point}, exit_code=CRASHED)

    def kill_after(self, seconds: float, *words: str) -> bool:
        """Kill an import after so many seconds; False when it was over before."""
        return self.disturb_after(seconds, lambda process: process.kill(), *words) != 0

    def disturb_after(
        self, seconds: float, disturb: Callable[[subprocess.Popen[str]], None], *words: str
    ) -> int:
        """Do something to an import after so many seconds, unless it is over; its exit code."""
        process = self._zops.start(*(words or self.words))
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            disturb(process)
        _, said = process.communicate(timeout=SECONDS_TO_END)
        assert "Traceback" not in said, said
        return process.returncode

    def require_all_or_nothing(self) -> bool:
        """Is the whole organization there? Raises `AssertionError` when only a part of it is.

        While it is not, there may be files of it. A server whose client was killed may still be
        busy with a commit that it was asked for: that is waited for.
        """
        self._wait_until_idle()
        found = self.look() - self._before
        if not found.rows:
            return False
        self.require_whole()
        return True

    def _wait_until_idle(self) -> None:
        give_up = time.monotonic() + SECONDS_TO_END
        while True:
            try:
                with self._journal.held(REALM):
                    return
            except Refused:
                if time.monotonic() > give_up:
                    raise

    def see_to_it(self, *, resume: bool) -> None:
        """Finish it, or take it back; whatever is left of it after that is an `AssertionError`."""
        there = self.require_all_or_nothing()
        unfinished = self._journal.find(REALM) is not None
        if unfinished:
            self._require_said(self._here(*self.words, check=False))
        if unfinished and (resume or there):
            self._here("import", REALM, "--resume")
            self.require_whole()
        elif not there:
            if unfinished:
                self._here("import", REALM, "--abandon")
            self.require_nothing()
        self.start_anew()

    def require_whole(self) -> None:
        """Raise `AssertionError` unless exactly the whole organization is there."""
        found = self.look() - self._before
        assert found.rows == self._whole.rows, found.rows - self._whole.rows
        assert found.files == self._whole.files, found.files - self._whole.files

    def require_nothing(self) -> None:
        """Raise `AssertionError` when something of it is there, or known of it."""
        found = self.look() - self._before
        assert not found.rows, found.rows
        assert not found.files, found.files
        assert self._journal.find(REALM) is None

    def start_anew(self) -> None:
        """Delete the organization, if it is there; nothing must be left."""
        self._here("realm", "delete", REALM, "--yes-delete", REALM, check=False)
        if hasattr(self, "_before"):
            self.require_nothing()

    def look(self) -> Seen:
        """What is there now."""
        rows = self._watched.look().rows
        counts = {name: len(found) for name, found in rows.items() if name not in NOT_ALWAYS}
        contents = (path.read_bytes() for path in self._uploads.rglob("*") if path.is_file())
        files = Counter(hashlib.sha256(content).hexdigest() for content in contents)
        return Seen(Counter(counts), files)

    def _require_said(self, done: Completed) -> None:
        """Whoever tries to import it again is told what to do."""
        assert done.exit_code == 3, done
        assert "--resume" in done.stderr or "is taken" in done.stderr, done
