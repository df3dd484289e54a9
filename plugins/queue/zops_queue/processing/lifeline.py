"""The connection of a child process to its supervisor, from the child's side.

The child says a JSON object a line: how its queues do (`meters`), and at its end why it ends
(`ended`). When the
supervisor is gone, however that happened, the child reads the end of the line, and stops.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zcore.signals import StopFlag
    from zops_queue.watching.meter import Meters

VARIABLE = "ZOPS_QUEUE_LIFELINE"  # names the descriptor, and the queues
STOPPED, DRAINED, RETIRED = "stopped", "drained", "retired"  # why a child ends
SECONDS_BETWEEN_REPORTS = 0.5
SECONDS_TO_SAY = 5.0


def for_child(descriptor: int, queues: Iterable[str]) -> dict[str, str]:
    """What a supervisor gives a child in its environment."""
    return {VARIABLE: ",".join([str(descriptor), *queues])}


class Lifeline:
    """Made in a child that is to work on `queues`; `stop` is set when the supervisor is gone."""

    @classmethod
    def find(cls, stop: StopFlag) -> Lifeline | None:
        """That of this process, when a supervisor has started it."""
        given = os.environ.pop(VARIABLE, "")  # what workers start is nobody's child
        descriptor, _, queues = given.partition(",")
        return cls(int(descriptor), queues.split(","), stop) if given else None

    def __init__(self, descriptor: int, queues: Sequence[str], stop: StopFlag) -> None:
        self.queues = queues
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._socket.settimeout(SECONDS_TO_SAY)
        self._stop = stop
        self._next_report = 0.0
        threading.Thread(target=self._listen, name="lifeline", daemon=True).start()

    def report(self, meters: Meters) -> None:
        """Say how it goes, now and then."""
        now = time.monotonic()
        if now >= self._next_report:
            self._next_report = now + SECONDS_BETWEEN_REPORTS
            self._say(meters=_numbers(meters))

    def end(self, meters: Meters, why: str) -> None:
        """Say why there is an end."""
        self._say(meters=_numbers(meters), ended=why)

    def _say(self, **message: object) -> None:
        with contextlib.suppress(OSError):  # nobody listens: the end is near
            self._socket.sendall(f"{json.dumps(message)}\n".encode())

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            select.select([self._socket], [], [])
        self._stop.set()


def _numbers(meters: Meters) -> list[dict[str, object]]:
    return [meter.numbers() for meter in meters.all()]
