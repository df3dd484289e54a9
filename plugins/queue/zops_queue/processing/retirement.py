"""When a process has done enough, and ends so that a fresh one can take its place."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

from zops_queue.processing.memory import MEBIBYTE, resident_bytes

SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(slots=True)
class Retirement:
    """Shared by the threads of a run: `max_events` and `max_memory` (MiB) are its limits.

    `reason` says which one has been reached; it is "" until then.
    """

    max_events: int | None = None
    max_memory: int | None = None
    reason: str = ""
    _begun: int = 0
    _next_look: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allow(self, wanted: int) -> int:
        """How many of `wanted` events may still be begun; they are counted as begun."""
        if self.max_events is None:
            return wanted
        with self._lock:
            allowed = min(wanted, self.max_events - self._begun)
            self._begun += allowed
        return allowed

    def is_due(self) -> bool:
        """Is it time to end?"""
        if self.reason:
            return True
        if self.max_events is not None and self._begun >= self.max_events:
            self.reason = f"it has handled {self.max_events} events"
        elif self.max_memory is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
            if resident_bytes(os.getpid()) > self.max_memory * MEBIBYTE:
                self.reason = f"it uses more than {self.max_memory} MB of memory"
        return bool(self.reason)
