"""The meters of several processes as those of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zops_queue.watching.meter import OUTCOMES, QueueMeter
from zops_queue.watching.stats_file import StatsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

COUNTS = (*OUTCOMES, "calls", "seconds")


@dataclass(slots=True)
class MergedMeters:
    """What the processes said last, by their numbers, and what the ended ones had counted."""

    queues: Sequence[str]
    _running: dict[int, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    _ended: dict[str, dict[str, float]] = field(default_factory=dict)

    def update(self, process: int, meters: Sequence[Mapping[str, Any]]) -> None:
        """`process` has said how its queues do."""
        self._running[process] = {meter["queue"]: meter for meter in meters}

    def end(self, process: int) -> None:
        """`process` has ended: its counts stay."""
        for queue, meter in self._running.pop(process, {}).items():
            counts = self._ended.setdefault(queue, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                counts[name] += meter[name]

    def all(self) -> Iterable[QueueMeter]:
        """One for each queue, by name."""
        return [self._merged(queue) for queue in sorted(self.queues)]

    def last_progress(self, queue: str) -> float:
        """When a process got on with `queue` last; 0 when none says so."""
        running = tuple(self._running.values())
        return max((meters[queue]["progress"] for meters in running if queue in meters), default=0)

    def _merged(self, queue: str) -> QueueMeter:
        """A queue is consumed when one of its processes does so, and stuck when one is stuck."""
        said = [meters[queue] for meters in tuple(self._running.values()) if queue in meters]
        merged = QueueMeter(queue)
        ended = self._ended.get(queue, {})
        for name in COUNTS:
            total = ended.get(name, 0) + sum(meter[name] for meter in said)
            setattr(merged, name, total)
        if said:
            merged.connected = any(meter["connected"] for meter in said)
            merged.busy = any(meter["busy"] for meter in said)
            merged.waiting = next((meter["waiting"] for meter in said if meter["waiting"]), "")
            merged.trouble = next((meter["trouble"] for meter in said if meter["trouble"]), "")
            merged.emptied = max(meter["emptied"] for meter in said)
            merged.since_emptied = sum(meter["since_emptied"] for meter in said)
            merged.recent.extend(tuple(meter["recent"]) for meter in said)
            merged.progress = min(meter["progress"] for meter in said)
        return merged


class MergedStats:
    """A file of statistics for each queue, of all processes together, in `folder`."""

    def __init__(self, meters: MergedMeters, folder: Path, warn: Callable[[str], None]) -> None:
        self._meters = meters
        self._files = {queue: StatsFile(folder, queue, warn) for queue in meters.queues}
        self._progress = dict.fromkeys(meters.queues, 0.0)

    def look(self) -> None:
        """Write what is due, but for queues that no process got on with."""
        for meter in self._meters.all():
            progress = self._meters.last_progress(meter.queue)
            if progress > self._progress[meter.queue]:
                self._progress[meter.queue] = progress
                self._files[meter.queue].write_if_due(meter)

    def write(self) -> None:
        """Write all of them, at the end."""
        for meter in self._meters.all():
            self._files[meter.queue].write(meter)
