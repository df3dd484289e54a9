"""One connection to the broker, and the work done over it."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

from zcore.broker import QueueState
from zcore.errors import ZopsError
from zops_queue.processing.handling import Handling, ServiceGone
from zops_queue.processing.workplace import DRAIN_SECONDS

if TYPE_CHECKING:
    from zcore.broker import Consumer
    from zops_queue.processing.caution import Caution
    from zops_queue.processing.workplace import Tally, Workplace
    from zops_queue.registry import LoadedWorker

IDLE_SECONDS = 0.2  # between two looks at the stop flag
DRAIN_IDLE_SECONDS = 0.1
LINGER_SECONDS = 1.0  # how long the first event of a batch waits for others
EMPTY_LOOKS = 2  # an event on its way between two queues of the broker is in neither for a moment
DEFAULT_PREFETCH = 100
LARGEST_PREFETCH = 65_535  # what AMQP has room for


class Shift:
    """Connected for the queue of `worker`. Raises `Unreachable` when it cannot, or no longer."""

    def __init__(
        self, worker: LoadedWorker, workplace: Workplace, tally: Tally, caution: Caution
    ) -> None:
        self._workplace = workplace
        self._drain = workplace.options.drain
        self._turn = _Turn(worker, workplace)
        self._queue = worker.queue
        self._meter = workplace.meters.of(worker.queue)
        self._broker = workplace.open_broker()
        try:
            prefetch = {worker.queue: self._turn.prefetch}
            self._consumer = self._broker.consume(prefetch, workplace.label)
        except BaseException:
            self._broker.close()
            raise
        self._handling = Handling(worker, workplace, self._broker, self._consumer, tally, caution)
        self._tally = tally
        self._empty_looks = 0
        self._trouble, self._trouble_since = "", 0.0
        self._meter.connect()

    def work(self) -> None:
        """Handle what comes until it is time to end or, when draining, until nothing is left."""
        idle = DRAIN_IDLE_SECONDS if self._drain else IDLE_SECONDS
        busy = False
        while not (self._workplace.stop.is_set() or self._workplace.retirement.is_due()):
            self._consumer.wait(0 if busy else idle)
            self._look_for_trouble()
            was_busy, busy = busy, self._handle_a_batch()
            if busy:
                self._empty_looks = 0
                self._workplace.lull.leave(self._queue)
            # Only after a wait in vain: asking the broker how full it is takes time.
            if self._drain and not (busy or was_busy) and self._is_drained():
                return

    def close(self) -> None:
        """Give back what was fetched and not begun, and disconnect."""
        self._meter.disconnect()
        with contextlib.suppress(ZopsError):  # a lost connection gives everything back by itself
            self._broker.close()

    def _handle_a_batch(self) -> bool:
        """Handle a batch when one has come. Was there any?"""
        worked = False
        if self._turn.has_come(self._consumer):
            wanted = min(self._turn.batch, self._consumer.held(self._queue))
            allowed = self._workplace.retirement.allow(wanted)
            if allowed:
                with self._meter.call(self._tally):
                    self._handling.handle(self._consumer.take(self._queue, allowed))
                worked = True
        self._meter.look(empty=not self._consumer.held(self._queue))
        return worked

    def _look_for_trouble(self) -> None:
        """Say it when the broker takes nothing; raise `ServiceGone` when draining takes too long.

        Meanwhile events go on, but for those that are to be tried again or given up.
        """
        trouble = self._consumer.trouble
        if not (trouble or self._trouble):
            return
        self._meter.waiting = trouble
        if trouble == self._trouble:
            if self._drain and self._trouble_lasts():
                raise ServiceGone(trouble)
            return
        self._trouble, self._trouble_since = trouble, time.monotonic()
        if trouble:
            self._workplace.console.warn(
                f"queue {self._queue}: {trouble}; what is to be tried again waits for that",
                queue=self._queue,
                error=trouble,
            )

    def _trouble_lasts(self) -> bool:
        return time.monotonic() - self._trouble_since > self._workplace.patience

    def _is_drained(self) -> bool:
        """Is nothing ready, in hand or delayed, at several looks in a row, in any queue?

        What is delayed need not wait for long.
        """
        if self._trouble:
            return False
        state = self._broker.state(self._queue) or QueueState(queue=self._queue)
        if state.delayed:
            self._broker.hasten(self._queue, DRAIN_SECONDS)
        if any((self._consumer.held(self._queue), state.ready, state.in_hand, state.delayed)):
            self._empty_looks = 0
            self._workplace.lull.leave(self._queue)
            return False
        self._empty_looks += 1
        return self._empty_looks >= EMPTY_LOOKS and self._workplace.lull.join(self._queue)


def _prefetch_for(worker: LoadedWorker) -> int:
    """A second batch comes while the first is worked on.

    But not where that may take hours: other processes could do it meanwhile, and RabbitMQ counts
    the time.
    """
    if math.isinf(worker.timeout):
        return worker.batch
    return min(max(DEFAULT_PREFETCH, 2 * worker.batch), LARGEST_PREFETCH)


class _Turn:
    """When it is time for a batch."""

    def __init__(self, worker: LoadedWorker, workplace: Workplace) -> None:
        options = workplace.options
        self.queue = worker.queue
        self.prefetch = options.prefetch or _prefetch_for(worker)
        self.batch = min(worker.batch, self.prefetch)
        self._linger = 0.0 if options.drain or self.batch == 1 else LINGER_SECONDS
        self._since: float | None = None

    def has_come(self, consumer: Consumer) -> bool:
        """Is there a whole batch, or part of one that has waited long enough?"""
        held = consumer.held(self.queue)
        now = time.monotonic()
        if held and self._since is None:
            self._since = now
        if held >= self.batch or (self._since is not None and now - self._since >= self._linger):
            self._since = None
            return held > 0
        return False
