"""A run of `zops process-queue`: one loop, or one for each queue."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

from zops_queue.processing.loop import QueueLoop
from zops_queue.processing.workplace import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zops_queue.processing.workplace import Workplace
    from zops_queue.registry import LoadedWorker

SECONDS_BETWEEN_LOOKS = 0.2


def run(workers: Sequence[LoadedWorker], workplace: Workplace) -> Tally:
    """Work until asked to stop or, when draining, until nothing is left. What was done.

    Raises `Unreachable` as `QueueLoop.run` does.
    """
    if workplace.options.multi_threaded and len(workers) > 1:
        loops = [QueueLoop([worker], workplace) for worker in workers]
        _run_side_by_side(loops, workplace)
    else:
        loops = [QueueLoop(workers, workplace)]
        loops[0].run()
    total = Tally()
    for loop in loops:
        total.add(loop.tally)
    return total


def _run_side_by_side(loops: Sequence[QueueLoop], workplace: Workplace) -> None:
    """Each loop in a thread of its own. When one fails the others stop; then raise its error."""
    errors: list[BaseException] = []

    def work(loop: QueueLoop) -> None:
        try:
            loop.run()
        except BaseException as error:  # noqa: BLE001 # raised again where it can be seen
            errors.append(error)
            workplace.stop.set()

    # each sees what the command's own thread does, such as zcore.current()
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(work, loop)) for loop in loops
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(SECONDS_BETWEEN_LOOKS)
    if errors:
        raise errors[0]
