"""Starting the very command that runs once more: in place, or as a child process."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from zcore.errors import Refused

if TYPE_CHECKING:
    from zcore.signals import StopFlag

COMMAND = "process-queue"
RESTART_SIGNALS = (signal.SIGHUP, signal.SIGUSR1)


class Restart:
    """Whether this run is to stop in order to begin anew."""

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._asked = False

    def ask(self) -> None:
        """Finish what is in hand, and begin anew; when it stops already, it only stops."""
        if not self._stop.is_set():
            self._asked = True
            self._stop.set()

    @property
    def is_due(self) -> bool:
        """Is it to begin anew? Not when it was told to stop meanwhile."""
        return self._asked and not self._stop.is_signalled


def own_command() -> list[str]:
    """The command line of this process. Raises `Refused` when it is another program's."""
    if not any(word.replace("_", "-") == COMMAND for word in sys.argv[1:]):
        raise Refused(
            "zops runs inside another program here, and cannot start itself again",
            hint=f"run 'zops {COMMAND}' as a process of its own",
        )
    return [sys.executable, *sys.orig_argv[1:]]


def restart_in_place() -> NoReturn:
    """Become a new process of the same command, with the same number."""
    command = own_command()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, RESTART_SIGNALS)  # until it hears them itself
    os.execv(command[0], command)  # noqa: S606 # ourselves
