"""What a long job writes down of itself, so that a second run need not do all of it again."""

from __future__ import annotations

import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

from zcore.errors import Failed, Refused
from zcore.frozen import frozen

Counts = Mapping[str, int]
COUNTED = ("rows", "files", "bytes")
Facts = Mapping[str, Any]  # what a line of a journal says, as JSON


@frozen
class StageReport:
    """What one stage did: its counts (rows, files, bytes, ...) and how many seconds it took.

    `kept`: an earlier run did it. `measured` is what the job counted of it on the way, for the
    counts that the stage itself does not give.
    """

    name: str
    seconds: float
    counts: Counts = field(default_factory=dict)
    kept: bool = False
    measured: Counts = field(default_factory=dict)

    def count(self, what: str) -> int:
        """How many "rows", "files" or "bytes" it was about."""
        return self.counts.get(what, self.measured.get(what, 0))

    def per_second(self, what: str) -> int:
        """The same in a second. 0 when an earlier run did it, or nobody can tell."""
        return round(self.count(what) / self.seconds) if self.seconds and not self.kept else 0

    def as_data(self) -> dict[str, object]:
        """What `--json` shows."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 3),
            **{what: self.count(what) for what in COUNTED},
            **{f"{what}_per_second": self.per_second(what) for what in ("rows", "bytes")},
            **self.counts,
            **({"kept": True} if self.kept else {}),
        }


class Journal(Protocol):
    """Where a job writes down how far it came."""

    def kept(self, stage: str) -> StageReport | None:
        """What an earlier run did, if it came to the end of the stage and all of it is there."""
        ...

    def begun(self, stage: str) -> None:
        """The stage is about to run."""
        ...

    def done(self, report: StageReport) -> None:
        """The stage came to its end, now or in an earlier run."""
        ...

    def failed(self, stage: str, reason: str) -> None:
        """The stage did not come to its end."""
        ...


class MemoryJournal:
    """A journal for jobs that are over in one go: it keeps the reports."""

    def __init__(self) -> None:
        self.reports: list[StageReport] = []
        self.running: set[str] = set()
        self.failures: dict[str, str] = {}

    def kept(self, stage: str) -> StageReport | None:
        """See `Journal.kept`: there was no earlier run."""
        return None

    def begun(self, stage: str) -> None:
        """See `Journal.begun`."""
        self.running.add(stage)

    def done(self, report: StageReport) -> None:
        """See `Journal.done`."""
        self.running.discard(report.name)
        self.reports.append(report)

    def failed(self, stage: str, reason: str) -> None:
        """See `Journal.failed`."""
        self.running.discard(stage)
        self.failures[stage] = reason


class FileJournal(MemoryJournal):
    """A journal in a private file, a JSON object a line, that a second run reads.

    The first line says what the job is `about`. Every line reaches the file at once, so that a
    killed process loses none, and the disk with the begin or end of the next stage: what a power
    failure loses is done again.
    """

    def __init__(self, path: Path, about: Facts) -> None:
        """Go on with the journal at `path`, or begin one.

        Raises `Refused` when it is about something else, `Failed` when it cannot be written.
        """
        super().__init__()
        self.notes: dict[str, list[Facts]] = defaultdict(list)
        self._earlier: dict[str, StageReport] = {}
        self._path = path
        self._lock = threading.Lock()
        with self._explained():
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)
            lines, size = _whole_lines(path.read_bytes())
            os.truncate(self._file, size)  # what a crash cut off would spoil the next line
        if not lines:
            self._write({"about": about})
        elif lines[0].get("about") != about:
            self.close()
            raise Refused(
                f"what is there to be resumed is of another job: {_words(lines[0].get('about'))}",
                hint="ask for the same, or begin anew without --resume",
                code="other-job",
            )
        for line in lines[1:]:
            self._learn(line)

    def _learn(self, line: Facts) -> None:
        """What a line of the earlier run says; `notes` of a stage are those since it last began."""
        if "begun" in line:
            self._earlier.pop(line["begun"], None)
            self.notes.pop(line["begun"], None)
        elif "done" in line:
            report = StageReport(line["done"], line["seconds"], line["counts"], kept=True)
            self._earlier[report.name] = report
        elif "note" in line:
            self.notes[line["note"]].append(line)

    def kept(self, stage: str) -> StageReport | None:
        """See `Journal.kept`."""
        return self._earlier.get(stage)

    def begun(self, stage: str) -> None:
        """See `Journal.begun`."""
        super().begun(stage)
        self._write({"begun": stage}, sync=True)

    def note(self, stage: str, facts: Facts) -> None:
        """Write down something that the stage did."""
        self._write({"note": stage, **facts})

    def done(self, report: StageReport) -> None:
        """See `Journal.done`."""
        super().done(report)
        if not report.kept:
            facts = {"done": report.name, "seconds": report.seconds, "counts": dict(report.counts)}
            self._write(facts, sync=True)

    def failed(self, stage: str, reason: str) -> None:
        """See `Journal.failed`."""
        super().failed(stage, reason)
        self._write({"failed": stage, "reason": reason}, sync=True)

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    def _write(self, facts: Facts, *, sync: bool = False) -> None:
        line = f"{json.dumps(facts)}\n".encode()
        with self._explained(), self._lock:
            while line:  # a disk that is nearly full takes a part, and says so only then
                line = line[os.write(self._file, line) :]
            if sync:
                os.fsync(self._file)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Failed(f"cannot write {self._path}: {error.strerror}") from error


def _words(about: object) -> str:
    if not isinstance(about, dict):
        return "an unknown one"
    return ", ".join(f"{key} {value!r}" for key, value in about.items())


def _whole_lines(content: bytes) -> tuple[list[Facts], int]:
    """The lines up to the first that is not whole, and how many bytes they take."""
    lines: list[Facts] = []
    size = 0
    for line in content.splitlines(keepends=True):
        try:
            facts = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            facts = None
        if not isinstance(facts, dict):
            break
        lines.append(facts)
        size += len(line)
    return lines, size
