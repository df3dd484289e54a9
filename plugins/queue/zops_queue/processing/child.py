"""A child process of the supervisor, from the supervisor's side."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from zops_queue.processing.lifeline import for_child
from zops_queue.processing.restart import own_command
from zops_queue.processing.systemd import VARIABLES as OF_SYSTEMD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_READ = 1 << 16


class Child:
    """Started when made, to work on `queues`. `meters` is what it said last of its queues.

    `ended` is why it ended, in its own words: "" while it runs, and when it died;
    `killed_because` why we ended it.
    """

    def __init__(self, queues: Sequence[str]) -> None:
        self.meters: Sequence[Mapping[str, Any]] = ()
        self.ended = ""
        self.began = time.monotonic()
        self.killed_because = ""
        self._condemned = ""
        self._unread = b""
        self._asked_at: float | None = None
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        environment = {name: os.environ[name] for name in os.environ if name not in OF_SYSTEMD}
        with theirs:
            self._process = subprocess.Popen(
                own_command(),
                env=environment | for_child(theirs.fileno(), queues),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # that is for the supervisor's result
                process_group=0,  # Ctrl-C is for the supervisor, which tells it
            )

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def is_stopping(self) -> bool:
        """Has it been asked to stop?"""
        return self._asked_at is not None

    def listen(self) -> None:
        """Take in what it has said."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := self.socket.recv(LARGEST_READ):
                self._unread += data
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            said = json.loads(line)
            self.meters = said["meters"]
            self.ended = said.get("ended", self.ended)

    def stop(self) -> None:
        """Ask it to finish what is in hand, and to end."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._process.send_signal(signal.SIGTERM)

    def is_overdue(self, seconds: float) -> bool:
        """Was it asked to stop longer than `seconds` ago?"""
        return self._asked_at is not None and time.monotonic() - self._asked_at > seconds

    def condemn(self, queue: str, because: str) -> None:
        """It will be killed for what it has in hand of `queue`; the rest is finished first."""
        self._condemned, self.killed_because = queue, because
        if self.has_other_work():
            self.stop()

    @property
    def is_condemned(self) -> bool:
        """Is it to be killed?"""
        return bool(self._condemned)

    def has_other_work(self) -> bool:
        """Does it work on more than the queue that it is to be killed for?"""
        return any(meter["busy"] and meter["queue"] != self._condemned for meter in self.meters)

    def kill(self, because: str = "") -> None:
        """End it at once, and what it has started."""
        self.killed_because = self.killed_because or because
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Has its process ended? It is heard out first."""
        if self._process.poll() is None:
            return False
        self.listen()
        return True

    @property
    def exit_code(self) -> int:
        """Its exit code; of a signal, minus its number."""
        return self._process.returncode

    def how_it_ended(self) -> str:
        """Why it is dead, in words."""
        code = self.exit_code
        if self.killed_because:
            return self.killed_because
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        hint = ": out of memory?" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}"

    def close(self) -> None:
        """Forget it."""
        self.socket.close()
