"""One tree of errors; each class carries the exit code that it ends the program with.

The codes are an interface: documented in README.md, tested, and never renumbered.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zcore.values import Problem


class ExitCode(enum.IntEnum):
    """What the exit status of `zops` says."""

    DONE = 0
    FAILED = 1  # what was begun has been taken back, or the message says what is left
    USAGE = 2  # the command line is wrong
    REFUSED = 3  # a validator said no, or a precondition is not met; nothing was written
    UNREACHABLE = 4  # database, broker, object store or mail server: not there, or said no
    FINDINGS = 5  # done, but something was skipped, repaired or is wrong
    BUG = 70  # an error of zops itself: the only case that prints a traceback
    INTERRUPTED = 130  # stopped by SIGINT or SIGTERM


class ZopsError(Exception):
    """Something a user can understand and act on: one line, never a traceback.

    `message` says what is wrong and where, `hint` what to do about it. `problems` is the whole
    list when several things are wrong at once; `code` is a stable word for programs; `data` is
    what `--json` shows beside the error.
    """

    exit_code = ExitCode.FAILED
    code = "failed"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str | None = None,
        problems: Sequence[Problem] = (),
        data: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        self.data = dict(data or {})
        if code is not None:
            self.code = code


class Failed(ZopsError):
    """The work was begun and did not succeed; what was begun has been taken back."""


class UsageError(ZopsError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = ExitCode.USAGE
    code = "usage"


class Refused(ZopsError):
    """A validator said no or a precondition is not met. Nothing was written."""

    exit_code = ExitCode.REFUSED
    code = "refused"


class Unreachable(ZopsError):
    """A service cannot be reached, or refused us: database, broker, object store, mail."""

    exit_code = ExitCode.UNREACHABLE
    code = "unreachable"


class Interrupted(ZopsError):
    """SIGINT or SIGTERM asked the work to stop, and it has been taken back."""

    exit_code = ExitCode.INTERRUPTED
    code = "interrupted"
