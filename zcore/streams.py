"""The three standard streams, whatever state the shell hands them over in.

They may be closed (`zops ... >&-`), full or without a reader, and plugins may write to them
without being asked. Imported before anything else, so this imports next to nothing.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Self

from zcore.errors import ExitCode

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

# the flags that what stands in for a closed stream is opened with
_STAND_INS = {
    "stdin": os.O_RDONLY,  # is at its end
    "stdout": os.O_RDONLY,  # cannot be written: whoever closed it must hear of a lost result
    "stderr": os.O_WRONLY,  # swallows everything: there is nowhere left to complain
}


def open_closed_streams() -> None:
    """Give each standard stream that is closed a stand-in, so that none of them is None.

    It also takes the descriptor: the next file to be opened would otherwise get it, and what a
    child process prints would end up in that file.
    """
    for name, flags in _STAND_INS.items():
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)  # the lowest that is free: its own
            os.set_inheritable(descriptor, True)
            mode = "r" if name == "stdin" else "w"
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 # it stays
            setattr(sys, name, stream)


class StdoutAsStderr:
    """While inside, whatever is written to stdout goes to stderr, by Python and others alike.

    `saved` is a descriptor of what stdout was; None outside, and when stdout cannot be redirected.
    """

    def __init__(self) -> None:
        self.stdout: TextIO = sys.stdout
        self.saved: int | None = None

    def __enter__(self) -> Self:
        self.stdout = sys.stdout
        _flush(self.stdout)
        self.saved = _redirected()
        sys.stdout = sys.stderr
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _flush(self.stdout)  # what was written around us belongs to stderr, too
        sys.stdout = self.stdout
        if self.saved is not None:
            os.dup2(self.saved, 1)
            os.close(self.saved)
            self.saved = None


def not_written(error: OSError, exit_code: int = ExitCode.DONE) -> int:
    """Say that stdout took no result because of `error`. Returns the exit code.

    It is `exit_code` when the reader has gone away, which is none of our business.
    """
    abandon_stdout()
    if isinstance(error, BrokenPipeError):
        return exit_code
    from zcore.console import write_line

    write_line(f"zops: error: the result cannot be written to stdout: {error.strerror}")
    return exit_code or ExitCode.FAILED


def stdout_takes_nothing(error: OSError) -> bool:
    """Was it stdout that raised `error`? What it could not write is then still to be written."""
    if sys.stdout.closed:
        return False
    try:
        sys.stdout.flush()
    except OSError as again:
        return again.errno == error.errno
    return False


def abandon_stdout() -> None:
    """Let the interpreter's last flush of stdout go nowhere, instead of failing."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)


def stdout_is_gone() -> bool:
    """Is stdout a pipe whose reader has gone away?"""
    import select

    poll = select.poll()
    try:
        poll.register(1, 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except OSError:
        return False


def _redirected() -> int | None:
    """Point descriptor 1 at stderr. Returns a copy of what it was, None when that cannot be."""
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:
        return None  # one of the two is closed
    return saved


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        abandon_stdout()
