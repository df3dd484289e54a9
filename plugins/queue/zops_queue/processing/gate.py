"""Calls of workers beside each other, and now and then one with nothing beside it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from zcore.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.signals import StopFlag

SECONDS_BETWEEN_LOOKS = 0.2  # at the stop flag


class CallGate:
    """Through it go all calls of a process. Raises `Interrupted` when asked to stop before."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextlib.contextmanager
    def beside_others(self, stop: StopFlag) -> Iterator[None]:
        """For a call that others may go on beside."""
        with self._changed:
            while self._closed:
                self._wait(stop)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self, stop: StopFlag) -> Iterator[None]:
        """For a call during which nothing else goes on: others end first, or wait."""
        with self._changed:
            while self._closed:
                self._wait(stop)
            self._closed = True
        try:
            with self._changed:
                while self._inside:
                    self._wait(stop)
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()

    def _wait(self, stop: StopFlag) -> None:
        if stop.is_set():
            raise Interrupted("stopped before its turn came")
        self._changed.wait(SECONDS_BETWEEN_LOOKS)
