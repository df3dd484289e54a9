"""When a worker did its first event and its last: for the programs here, each in its own Python."""

from __future__ import annotations

import json
import os
import time


class Marks:
    """Writes what `ZOPS_BENCH_EVENTS` events took to the file `ZOPS_BENCH_MARKS`, at the last one.

    Seconds of the clock and of the processor, from the first event on; and the clock's time then.
    """

    def __init__(self) -> None:
        self._left = int(os.environ["ZOPS_BENCH_EVENTS"])
        self._path = os.environ["ZOPS_BENCH_MARKS"]
        self._began: tuple[float, float] | None = None

    def done(self, events: int = 1) -> None:
        """So many events more are done."""
        if self._began is None:
            self._began = (time.monotonic(), time.process_time())
        self._left -= events
        if self._left == 0:
            self._write(*self._began)

    def _write(self, began: float, processor: float) -> None:
        taken = {
            "first": began,
            "seconds": time.monotonic() - began,
            "processor_seconds": time.process_time() - processor,
        }
        with open(f"{self._path}.new", "w", encoding="utf-8") as file:
            json.dump(taken, file)
        os.rename(f"{self._path}.new", self._path)
