"""Files of statistics as the server's own workers write them, so that its monitoring reads ours.

`<queue>.stats` is a JSON object; the server's monitoring works out from it how long the rest of a
queue takes, and calls a worker stuck whose file is older than three minutes while events wait.
Several runs on one queue replace each other's file, as the server's workers do.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zops_queue.watching.meter import QueueMeter

SERVER_FOLDER = Path("/var/log/zulip/queue_stats")
SECONDS_BETWEEN_CHANGES = 1.0
SECONDS_WITHOUT_CHANGE = 30.0
READABLE_BY_ALL = 0o644  # the monitoring runs as somebody else


class StatsFile:
    """The file of one queue in `folder`, which is made when it is not there.

    A file that cannot be written is warned of once; the work goes on.
    """

    def __init__(self, folder: Path, queue: str, warn: Callable[[str], None]) -> None:
        self._path = folder / f"{queue}.stats"
        self._draft = folder / f".{queue}.stats.{os.getpid()}"
        self._written: float | None = None
        self._calls = -1
        self._warn = warn
        self._warned = False

    def write_if_due(self, meter: QueueMeter) -> None:
        """Write the file: soon after a change, and now and then without one."""
        now = time.monotonic()
        pause = SECONDS_BETWEEN_CHANGES if meter.calls != self._calls else SECONDS_WITHOUT_CHANGE
        if self._written is None or now - self._written >= pause:
            self.write(meter)

    def write(self, meter: QueueMeter) -> None:
        """Write the file now."""
        self._written, self._calls = time.monotonic(), meter.calls
        try:
            self._write(json.dumps(statistics(meter), indent=4))
        except OSError as error:
            with contextlib.suppress(OSError):
                self._draft.unlink()
            if not self._warned:
                self._warn(f"{self._path} cannot be written: {error.strerror}")
                self._warned = True

    def _write(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._draft.write_text(text)
        self._draft.chmod(READABLE_BY_ALL)
        self._draft.replace(self._path)


def statistics(meter: QueueMeter) -> dict[str, float | None]:
    """What the server's monitoring knows of a worker, by its names."""
    return {
        "update_time": time.time(),
        "recent_average_consume_time": meter.seconds_per_event(),
        "queue_last_emptied_timestamp": meter.emptied,
        "consumed_since_last_emptied": meter.since_emptied,
    }
