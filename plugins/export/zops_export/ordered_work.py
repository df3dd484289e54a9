"""Work that waits for others: on many things at a time, and so that waiting can be ended."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Thing = TypeVar("Thing")
Outcome = TypeVar("Outcome")

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_STOP = 1.5


def waiting_for(call: Callable[[], Outcome], may_go_on: Callable[[], None]) -> Outcome:
    """What `call` gives, or raises, unless `may_go_on` raises before: it is asked all the time.

    The call goes on then, in a thread that ends with the process.
    """
    future: Future[Outcome] = Future()
    task = partial(_settle, future, call)
    threading.Thread(target=task, name="zops-call", daemon=True).start()
    while not wait([future], SECONDS_BETWEEN_LOOKS).done:
        may_go_on()
    return future.result()


def _settle(future: Future[Outcome], call: Callable[[], Outcome]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 # raised where the result is taken
        future.set_exception(error)


class OrderedWork(Generic[Thing, Outcome]):
    """`work`, done by `threads` threads, which end with the process wherever they are.

    `stopped` is set once nothing more is to be done. A thread that waits for a network then may
    wait on: what it does after that must look at `stopped` first. `seconds_to_stop` is how long
    all of them together are waited for in the end.
    """

    def __init__(
        self,
        work: Callable[[Thing], Outcome],
        threads: int,
        may_go_on: Callable[[], None],
        seconds_to_stop: float = SECONDS_TO_STOP,
    ) -> None:
        self.stopped = threading.Event()
        self._seconds_to_stop = seconds_to_stop
        self._work = work
        self._most = threads
        self._may_go_on = may_go_on
        self._threads: list[threading.Thread] = []
        self._waiting: queue.SimpleQueue[tuple[Thing, Future[Outcome]] | None] = queue.SimpleQueue()

    def results(self, things: Iterable[Thing]) -> Iterator[tuple[Thing, Outcome]]:
        """Each thing with what came of it. Of those ahead only a few are taken from `things`.

        What the work raises is raised in its turn, and ends the rest; so does what `may_go_on`
        raises, which is asked all the time.
        """
        ahead: deque[tuple[Thing, Future[Outcome]]] = deque()
        try:
            for thing in things:
                ahead.append((thing, self._begin(thing)))
                if len(ahead) == 2 * self._most:
                    yield self._next(ahead)
            while ahead:
                yield self._next(ahead)
        finally:
            self._stop()

    def _begin(self, thing: Thing) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self._waiting.put((thing, future))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._run, name="zops-files", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _next(self, ahead: deque[tuple[Thing, Future[Outcome]]]) -> tuple[Thing, Outcome]:
        thing, future = ahead.popleft()
        while not wait([future], SECONDS_BETWEEN_LOOKS).done:
            self._may_go_on()
        self._may_go_on()
        return thing, future.result()

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            thing, future = task
            if self.stopped.is_set():
                continue
            _settle(future, partial(self._work, thing))

    def _stop(self) -> None:
        self.stopped.set()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(self._seconds_to_stop / len(self._threads))
