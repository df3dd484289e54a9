"""A run of `zops process-queue` in this process: a thread for each queue."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING

from zops_queue.processing.loop import QueueLoop
from zops_queue.processing.workplace import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zops_queue.processing.workplace import Workplace
    from zops_queue.registry import LoadedWorker

SECONDS_BETWEEN_LOOKS = 0.2


def run(
    workers: Sequence[LoadedWorker],
    workplace: Workplace,
    look: Callable[[], object] = lambda: None,
) -> Tally:
    """Work until asked to stop or, when draining, until nothing is left. What was done.

    What is not finished within `options.grace` seconds after being asked goes back to its queue
    when the process ends. `look` is called several times a second. Raises what `QueueLoop.run`
    raises.
    """
    crew = _Crew(workers, workplace)
    crew.work(look)
    total = Tally()
    for loop in crew.loops:
        total.add(loop.tally)
    return total


class _Crew:
    """The threads."""

    def __init__(self, workers: Sequence[LoadedWorker], workplace: Workplace) -> None:
        workplace.lull.expect(worker.queue for worker in workers)
        self.loops = [QueueLoop(worker, workplace, others=len(workers) > 1) for worker in workers]
        self._workplace = workplace
        self._errors: list[BaseException] = []
        self._busy = {loop.queue for loop in self.loops}
        self._all_ended = threading.Event()

    def work(self, look: Callable[[], object]) -> None:
        """Have all of them work; when one fails the others stop; then raise its error."""
        for loop in self.loops:
            # each sees what the command's own thread does, such as zcore.current()
            target = contextvars.copy_context().run
            threading.Thread(
                target=target, args=(self._run, loop), name=loop.queue, daemon=True
            ).start()
        with self._workplace.stop.calling(self._stopping):
            while not self._all_ended.wait(SECONDS_BETWEEN_LOOKS):
                look()
                if self._workplace.stop.is_set():
                    self._await_the_end(look)
                    break
        if self._errors:
            raise self._errors[0]

    def _run(self, loop: QueueLoop) -> None:
        try:
            loop.run()
        except BaseException as error:  # noqa: BLE001 # raised again where it can be seen
            self._errors.append(error)
            if len(self.loops) > 1:
                self._workplace.stop.set()
        self._workplace.lull.join(loop.queue)
        self._busy.discard(loop.queue)
        if not self._busy:
            self._all_ended.set()

    def _stopping(self) -> None:
        """From now on a dead process is nothing to learn from."""
        for loop in self.loops:
            loop.caution.stop()

    def _await_the_end(self, look: Callable[[], object]) -> None:
        grace = self._workplace.options.grace
        give_up = time.monotonic() + grace
        while not self._all_ended.wait(min(grace, SECONDS_BETWEEN_LOOKS)):
            look()
            if time.monotonic() >= give_up:
                self._give_up(grace)
                return

    def _give_up(self, grace: float) -> None:
        for queue in sorted(self._busy):
            self._workplace.console.warn(
                f"queue {queue}: what is in hand is not finished after {grace:g} s,"
                " and goes back to the queue",
                queue=queue,
            )
