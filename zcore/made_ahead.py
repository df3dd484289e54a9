"""Made ahead: what takes a while to make, by a thread of its own, while earlier ones are used."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

T = TypeVar("T")
AHEAD = "zops-ahead"  # the name of each such thread


@contextmanager
def made_ahead(items: Generator[T, None, None], most: int) -> Iterator[Iterator[T]]:
    """The same items, of which up to `most` wait to be taken.

    What making them raises is raised where the next one is taken. When the block is left early,
    no more are made, and `items` is closed, in its thread.
    """
    maker = _Maker(items, most)
    maker.start()
    try:
        yield maker.taken()
    finally:
        maker.stop()


class _Maker(Generic[T]):
    """The thread, and what waits: items, at the end none, or what ended it."""

    def __init__(self, items: Generator[T, None, None], most: int) -> None:
        self._items = items
        self._waiting: Queue[T | _Ended] = Queue(most)
        self._wanted = True
        self._thread = threading.Thread(target=self._make, name=AHEAD, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _make(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    self._waiting.put(item)
                    if not self._wanted:
                        return
            self._waiting.put(_Ended(None))
        except BaseException as error:  # noqa: BLE001  # it is raised in the other thread
            self._waiting.put(_Ended(error))

    def taken(self) -> Iterator[T]:
        while not isinstance(item := self._waiting.get(), _Ended):
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        """Wait until the thread has ended: it puts one more at most, for which there is room."""
        self._wanted = False
        while not self._waiting.empty():
            self._waiting.get()
        self._thread.join()


class _Ended:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error
