"""The work on one queue: a shift at a time, with pauses while the broker is away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zcore.errors import Interrupted, Unreachable, ZopsError
from zcore.text import describe
from zops_queue.processing.caution import Caution
from zops_queue.processing.handling import ServiceGone
from zops_queue.processing.shift import Shift
from zops_queue.processing.workplace import Tally

if TYPE_CHECKING:
    from zops_queue.processing.workplace import Workplace
    from zops_queue.registry import LoadedWorker

SECONDS_OF_GOOD_WORK = 60.0  # after so long a shift, trouble is new trouble


class QueueLoop:
    """Works on the queue of `worker`; `tally` says what it did so far.

    `others` says that there are other queues, for which this one goes on trying whatever happens
    to it: they must not stop because of it.
    """

    def __init__(self, worker: LoadedWorker, workplace: Workplace, *, others: bool = False) -> None:
        self.tally = Tally()
        self.queue = worker.queue
        self.caution = Caution(worker, workplace, self.tally)
        self._worker = worker
        self._workplace = workplace
        self._others = others
        self._has_begun = False
        self._failures = 0
        self._trouble_since = 0.0

    def run(self) -> None:
        """Work until it is time to end or, when draining, until nothing is left.

        Raises `Unreachable` when the broker is away at the start, or while draining for longer
        than anybody wants to wait; without others also a bug, and what is wrong at the start.
        """
        try:
            while not self._workplace.stop.is_set() and not self._has_ended():
                pass
        finally:
            self.caution.close()

    def _has_ended(self) -> bool:
        """Work a shift. Was it the last one?"""
        began = time.monotonic()
        shift = None
        try:
            shift = Shift(self._worker, self._workplace, self.tally, self.caution)
            self._has_begun = True
            shift.work()
            return True
        except Interrupted:
            return True
        except ServiceGone:
            raise
        except Exception as error:
            if self._is_fatal(error):
                raise
            trouble = error
        finally:
            if shift is not None:
                shift.close()
        return self._pause(trouble, worked=time.monotonic() - began)

    def _is_fatal(self, error: Exception) -> bool:
        if isinstance(error, Unreachable):
            return not self._has_begun
        if self._workplace.options.drain:
            return True
        passes = isinstance(error, (ZopsError, OSError))  # not a bug; such as a full disk
        return not (self._others or (self._has_begun and passes))

    def _pause(self, trouble: Exception, worked: float) -> bool:
        """Wait, longer each time. True when asked to stop meanwhile."""
        place = self._workplace
        if not self._failures or worked > SECONDS_OF_GOOD_WORK:
            self._failures, self._trouble_since = 0, time.monotonic()
        self._failures += 1
        if place.options.drain and time.monotonic() - self._trouble_since > place.patience:
            raise trouble
        seconds = place.pauses.pause(self._failures)
        place.meters.of(self.queue).lose(describe(trouble))
        place.console.warn(
            f"queue {self.queue}: {_words(trouble)}; connecting again in {seconds:.1f} s",
            queue=self.queue,
            error=describe(trouble),
        )
        return place.stop.wait(seconds)


def _words(trouble: Exception) -> str:
    return getattr(trouble, "message", None) or describe(trouble)
