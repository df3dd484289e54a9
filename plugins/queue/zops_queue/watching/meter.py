"""What is measured of the work on each queue."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from zcore.console import write_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from zops_queue.processing.workplace import Tally
    from zops_queue.watching.stats_file import StatsFile

OUTCOMES = ("processed", "retried", "dead", "repeated")  # of events
NUMBERS = (
    *("queue", *OUTCOMES, "calls", "seconds"),
    *("connected", "busy", "waiting", "trouble", "emptied", "since_emptied", "progress"),
)
RECENT_CALLS = 50  # as many as the server's workers look back


@dataclass(slots=True)
class QueueMeter:
    """The work on `queue` in this process. Written by one thread, read by any.

    Times: `emptied` is a Unix time, `progress` one of `time.monotonic`. `waiting` says which
    service the worker waits for, if for any; `trouble` why there is no connection.
    """

    queue: str
    processed: int = 0
    retried: int = 0
    dead: int = 0
    repeated: int = 0  # came again after they were done
    calls: int = 0
    seconds: float = 0.0  # in calls
    connected: bool = False
    busy: bool = False
    waiting: str = ""
    trouble: str = ""
    emptied: float = field(default_factory=time.time)
    since_emptied: int = 0  # events
    progress: float = field(default_factory=time.monotonic)
    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=RECENT_CALLS))
    stats: StatsFile | None = None

    @contextlib.contextmanager
    def call(self, tally: Tally) -> Iterator[None]:
        """Measure one batch, whose events are counted in `tally` while inside."""
        before = self._outcomes(tally)
        began = self.progress = time.monotonic()
        self.busy = True
        try:
            yield
        finally:
            self.progress = time.monotonic()
            self.busy, self.waiting = False, ""
            self._count(tally, before, self.progress - began)

    def look(self, *, empty: bool) -> None:
        """Somebody looked for events; `empty` says that none has been fetched."""
        self.progress = time.monotonic()
        if empty and self.since_emptied:
            self.emptied, self.since_emptied = time.time(), 0
        if self.stats is not None:
            self.stats.write_if_due(self)

    def connect(self) -> None:
        """There is a connection to the broker, and the queue is being consumed."""
        self.connected, self.trouble, self.waiting = True, "", ""

    def lose(self, trouble: str) -> None:
        """There is none because of `trouble`; it is tried again."""
        self.trouble, self.progress = trouble, time.monotonic()

    def disconnect(self) -> None:
        """There is none any more."""
        self.connected = False
        if self.stats is not None:
            self.stats.write(self)

    def numbers(self) -> dict[str, Any]:
        """What another process has to know of it (`zops_queue.watching.merged`)."""
        return {name: getattr(self, name) for name in NUMBERS} | {"recent": self._recently()}

    def seconds_per_event(self) -> float | None:
        """What an event took in the calls before now; None when there was none that succeeded."""
        events, seconds = self._recently()
        return seconds / events if events else None

    def _recently(self) -> tuple[int, float]:
        events, seconds = zip(*self.recent, strict=True) if self.recent else ((), ())
        return sum(events), sum(seconds)

    def _outcomes(self, tally: Tally) -> tuple[int, ...]:
        return tally.processed, tally.retried, tally.dead.get(self.queue, 0), tally.repeated

    def _count(self, tally: Tally, before: tuple[int, ...], seconds: float) -> None:
        after = self._outcomes(tally)
        for name, old, new in zip(OUTCOMES, before, after, strict=True):
            setattr(self, name, getattr(self, name) + new - old)
        done = after[0] - before[0]
        self.calls += 1
        self.seconds += seconds
        self.since_emptied += done
        if done:
            self.recent.append((done, seconds))


class Readable(Protocol):
    """Meters that can be looked at."""

    def all(self) -> Iterable[QueueMeter]:
        """One for each queue, by name."""


class Meters:
    """A meter for each queue; with a folder, also its file of statistics there."""

    def __init__(
        self, stats_folder: Path | None = None, warn: Callable[[str], None] = write_line
    ) -> None:
        self._stats_folder = stats_folder
        self._warn = warn
        self._by_queue: dict[str, QueueMeter] = {}

    def of(self, queue: str) -> QueueMeter:
        """The meter of `queue`, the same one for everybody who asks."""
        if queue not in self._by_queue:
            self._by_queue[queue] = QueueMeter(queue, stats=self._stats_file(queue))
        return self._by_queue[queue]

    def all(self) -> Iterable[QueueMeter]:
        """Those of all queues, by name."""
        return [meter for _, meter in sorted(self._by_queue.items())]

    def _stats_file(self, queue: str) -> StatsFile | None:
        if self._stats_folder is None:
            return None
        from zops_queue.watching.stats_file import StatsFile

        return StatsFile(self._stats_folder, queue, self._warn)
