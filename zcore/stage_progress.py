"""How far a job of stages is: what each has done, and when it may be done.

Stages only add numbers; whoever looks works out the rest, a few times a second and only when
there is a terminal to look at (`zcore.stage_display`). So counting costs a stage next to nothing.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from zcore.values import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zcore.console import Console
    from zcore.journal import Counts
    from zcore.stage_graph import StageGraph

    Expected = Callable[[], Mapping[str, Estimate]]


NOTHING = Estimate()
ENOUGH_TO_TELL = 0.02  # of the work has to be done before anybody says how long the rest takes


class Sized(Protocol):
    """Something that is being written, and knows how many bytes it has so far."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        ...


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage at one moment: what it has done in so many seconds, and what it expects to do."""

    name: str
    rows: int
    files: int
    size: int
    seconds: float
    expected: Estimate = NOTHING

    @property
    def fraction(self) -> float | None:
        """How much of it is done, 0 to 1; None when that cannot be told.

        By rows where rows are expected, else by bytes, else by files.
        """
        for done, expected in (
            (self.rows, self.expected.rows),
            (self.size, self.expected.size),
            (self.files, self.expected.files),
        ):
            if expected:
                return done / expected if done <= expected else None
        return None

    @property
    def seconds_left(self) -> float | None:
        """How long it may go on, if it goes on as it did; None when that cannot be told yet."""
        fraction = self.fraction
        if fraction is None or fraction < ENOUGH_TO_TELL:
            return None
        return self.seconds * (1 - fraction) / fraction


@dataclass(slots=True)
class _Work:
    """The counters of one stage. Several threads add to them; looking at them needs no lock."""

    name: str
    expected: Estimate
    began: float = 0.0
    ended: float = 0.0
    rows: int = 0
    files: int = 0
    size: int = 0
    being_written: dict[int, list[Sized]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rows: int, files: int, size: int) -> None:
        with self.lock:
            self.rows += rows
            self.files += files
            self.size += size

    def line(self) -> StageLine:
        size = self.size + sum(map(_size, tuple(self.being_written.values())))
        seconds = (self.ended or time.monotonic()) - self.began
        return StageLine(self.name, self.rows, self.files, size, seconds, self.expected)


def _size(written: Sequence[Sized]) -> int:
    return sum(one.size for one in written)


class StageProgress:
    """What the stages of a job have done so far, by their names.

    `expected` is what each may have to do, as far as anybody knows.
    """

    def __init__(
        self, stages: Sequence[str] = (), expected: Mapping[str, Estimate] | None = None
    ) -> None:
        self.stages = len(stages)
        self.done_stages = 0
        self._expected = dict(expected or {})
        self._work: dict[str, _Work] = {}
        self._running: dict[str, _Work] = {}
        self._began = time.monotonic()

    def begun(self, stage: str) -> None:
        """The stage runs now."""
        work = self._of(stage)
        work.began = time.monotonic()
        self._running[stage] = work

    def done(self, stage: str) -> None:
        """The stage is done."""
        if (work := self._running.pop(stage, None)) is not None:
            work.ended = time.monotonic()
        self.done_stages += 1

    def expect(self, stage: str, estimate: Estimate) -> None:
        """The stage, or the one that runs, has found out what it has to do in all.

        What is None there stays as it was.
        """
        known = {
            name: number
            for name in ("rows", "files", "size")
            if (number := getattr(estimate, name)) is not None
        }
        work = self._of(stage or self._last())
        work.expected = replace(work.expected, **known)

    def advance(self, stage: str = "", *, rows: int = 0, files: int = 0, size: int = 0) -> None:
        """So many more rows, files and bytes are done: by the stage, or the one that runs."""
        self._of(stage or self._last()).add(rows, files, size)

    @contextmanager
    def writing(self, stage: str) -> Iterator[list[Sized]]:
        """Count the bytes of what is put into the list: while it grows, and when it is whole."""
        work = self._of(stage)
        written: list[Sized] = []
        work.being_written[id(written)] = written
        try:
            yield written
        finally:
            del work.being_written[id(written)]
            work.add(0, 0, _size(written))

    def measured(self, stage: str) -> Counts:
        """What was counted of a stage: its rows, files and bytes, as far as there are any."""
        line = self._of(stage).line()
        counts = {"rows": line.rows, "files": line.files, "bytes": line.size}
        return {name: count for name, count in counts.items() if count}

    def running(self) -> list[StageLine]:
        """The stages that run, in the order in which they began."""
        return [work.line() for work in tuple(self._running.values())]

    def total(self, label: str) -> StageLine:
        """All stages together; what is expected is what was done where a stage is done."""
        lines = [work.line() for work in tuple(self._work.values())]
        return StageLine(
            label,
            sum(line.rows for line in lines),
            sum(line.files for line in lines),
            sum(line.size for line in lines),
            time.monotonic() - self._began,
            Estimate(rows=self._expected_rows()),
        )

    def _expected_rows(self) -> int:
        """Those of all stages; of one that is done, what it did."""
        expected = {name: one.rows or 0 for name, one in self._expected.items()}
        for work in tuple(self._work.values()):
            expected[work.name] = work.rows if work.ended else work.expected.rows or work.rows
        return sum(expected.values())

    def _last(self) -> str:
        return next(reversed(self._running), "")

    def _of(self, stage: str) -> _Work:
        work = self._work.get(stage)
        if work is None:
            work = self._work.setdefault(stage, _Work(stage, self._expected.get(stage, NOTHING)))
        return work


@contextmanager
def stage_progress(
    console: Console, label: str, graph: StageGraph, expected: Expected | None = None
) -> Iterator[StageProgress]:
    """The progress of one job, shown while inside when there is a terminal to show it on.

    `label` says what is done ("exporting 'acme'"); `expected` gives what stages may have to do,
    and is asked only then.
    """
    names = [stage.name for stage in graph.stages]
    if not console.shows_progress:
        yield StageProgress(names)
        return
    from zcore.stage_display import shown

    progress = StageProgress(names, expected() if expected else None)
    with shown(progress, label):
        yield progress
