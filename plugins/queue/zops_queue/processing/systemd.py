"""What systemd wants to be told by a service of `Type=notify`: see sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from zops_queue.watching.health import goes_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zcore.signals import StopFlag
    from zops_queue.watching.meter import QueueMeter

SOCKET, WATCHDOG, WATCHDOG_PROCESS = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
VARIABLES = (SOCKET, WATCHDOG, WATCHDOG_PROCESS)


class Notifier:
    """Tells the service manager how it goes; where there is none, it does nothing."""

    def __init__(self) -> None:
        self._address = os.environ.get(SOCKET, "").replace("@", "\0", 1)
        self._period = _watchdog_seconds() / 2
        self._next_beat = 0.0
        self._said_ready = self._said_stopping = False

    def tell(self, stop: StopFlag, meters: Iterable[QueueMeter]) -> None:
        """Tell what has changed: all queues are consumed; the end has begun; the work goes on."""
        every = list(meters)
        if stop.is_set():
            self.stopping()
        elif all(meter.connected for meter in every):
            self.ready()
        if all(goes_on(meter, time.monotonic()) for meter in every):
            self.alive()

    def ready(self) -> None:
        """Everything has been begun. Said once."""
        if not self._said_ready:
            self._said_ready = True
            self._say("READY=1")

    def stopping(self) -> None:
        """The end has begun. Said once."""
        if not self._said_stopping:
            self._said_stopping = True
            self._say("STOPPING=1")

    def reloading(self) -> None:
        """It begins anew, and says when it is ready."""
        self._said_ready = False
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self) -> None:
        """The work goes on. Not to be said when it does not: the watchdog restarts us then."""
        now = time.monotonic()
        if self._period and now >= self._next_beat:
            self._next_beat = now + self._period
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.connect(self._address)
            link.sendall(text.encode())


def _watchdog_seconds() -> float:
    """How long systemd waits for a sign of life; 0 when it waits for none of ours."""
    process = os.environ.get(WATCHDOG_PROCESS, str(os.getpid()))
    period = os.environ.get(WATCHDOG, "")
    if process != str(os.getpid()) or not period.isdecimal():
        return 0.0
    return int(period) / 1_000_000
