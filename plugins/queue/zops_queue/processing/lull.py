"""Whether several threads have nothing to do at the same time: only then a drain is over."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Lull:
    """Among threads, each known by its queue: one may publish to the queue of another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._over = False

    def expect(self, queues: Iterable[str]) -> None:
        """These begin to work."""
        self._busy, self._over = set(queues), False

    def join(self, queue: str) -> bool:
        """The thread of `queue` has nothing to do. True when no thread has, now or once before."""
        with self._lock:
            self._busy.discard(queue)
            self._over = self._over or not self._busy
            return self._over

    def leave(self, queue: str) -> None:
        """It has something to do again."""
        with self._lock:
            self._busy.add(queue)
