"""One thread of a run: a shift at a time, with pauses while the broker is away."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from zcore.errors import Interrupted, Unreachable
from zops_queue.processing.handling import ServiceGone
from zops_queue.processing.shift import Shift
from zops_queue.processing.workplace import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zops_queue.processing.workplace import Workplace
    from zops_queue.registry import LoadedWorker


class QueueLoop:
    """Works on the queues of `workers`; `tally` says what it did so far."""

    def __init__(self, workers: Sequence[LoadedWorker], workplace: Workplace) -> None:
        self.tally = Tally()
        self._workers = workers
        self._workplace = workplace

    def run(self) -> None:
        """Work until asked to stop or, when draining, until nothing is left.

        Raises `Unreachable` when the broker is away at the start, or while draining for longer
        than anybody wants to wait.
        """
        shift: Shift | None = self._connect()
        while shift is not None:
            try:
                shift.work()
                return
            except Interrupted:
                return
            except ServiceGone:
                raise
            except Unreachable as error:
                self._workplace.console.warn(f"{error.message}; connecting again")
            finally:
                shift.close()
            shift = self._connect_again()

    def _connect(self) -> Shift:
        return Shift(self._workers, self._workplace, self.tally)

    def _connect_again(self) -> Shift | None:
        """A new shift as soon as there is a broker; None when asked to stop before."""
        place = self._workplace
        began = time.monotonic()
        for attempt in itertools.count(1):
            if place.stop.wait(place.pauses.pause(attempt)):
                break
            try:
                return self._connect()
            except Unreachable as error:
                if place.options.drain and time.monotonic() - began > place.patience:
                    raise
                place.console.warn(f"still without broker: {error.message}")
        return None
