"""What a run hands back: its result or error on stdout and stderr, and its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, Self, TextIO

from zcore.console import write_line
from zcore.errors import ExitCode, ZopsError
from zcore.text import mask_passwords

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from zcore.values import Finding, Problem, Result


class Output:
    """stdout of one run.

    With `json`, whatever is printed inside goes to stderr, by Python and by child processes
    alike, so that stdout is exactly one document.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._stdout: TextIO | None = sys.stdout
        self._saved: int | None = None

    def __enter__(self) -> Self:
        if self.json:
            self._saved = _redirected()
            sys.stdout = sys.stderr
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.json and self._stdout is not None:
            _flush(self._stdout)  # what was written around us belongs to stderr, too
            sys.stdout = self._stdout
        if self._saved is not None:
            os.dup2(self._saved, 1)
            os.close(self._saved)
            self._saved = None

    def finish(self, result: Result) -> int:
        """Print the result of a command. Returns the exit code."""
        code = ExitCode.FINDINGS if result.findings else ExitCode.DONE
        if self.json:
            document = {"ok": code == ExitCode.DONE, **result.data}
            if result.findings:
                document["findings"] = [_finding(finding) for finding in result.findings]
            return self._write(_encode(document), code)
        exit_code = self._write(result.text, code) if result.text else code
        for finding in result.findings:
            where = f"{finding.where}: " if finding.where else ""
            write_line(f"zops: finding: {where}{finding.message}")
            if finding.hint:
                write_line(f"hint: {finding.hint}")
        return exit_code

    def fail(self, error: ZopsError, exit_code: int) -> int:
        """Print an error. Returns the exit code."""
        if self.json:
            return self._write(_encode({"ok": False, "error": _error(error)}), exit_code)
        write_line(f"zops: error: {error.message}")
        for problem in error.problems:
            if problem.message != error.message:
                write_line(f"problem: {problem.message}")
                if problem.hint and problem.hint != error.hint:
                    write_line(f"hint: {problem.hint}")
        if error.hint:
            write_line(f"hint: {error.hint}")
        return exit_code

    def last_words(self, error: ZopsError) -> None:
        """Print an error while the command still runs, just before the process ends."""
        if self.json and self._saved is not None:
            os.write(self._saved, f"{_encode({'ok': False, 'error': _error(error)})}\n".encode())
        else:
            write_line(f"zops: error: {error.message}")

    def _write(self, text: str, exit_code: int) -> int:
        """Write `text` and a newline to stdout; a reader that is gone is none of our business."""
        if self._stdout is None:
            return exit_code
        try:
            self._stdout.write(f"{text}\n")
            self._stdout.flush()
        except BrokenPipeError:
            abandon_stdout()
        except OSError as error:
            abandon_stdout()
            write_line(f"zops: error: the result cannot be written to stdout: {error.strerror}")
            return exit_code or ExitCode.FAILED
        return exit_code


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


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "message": finding.message,
        "where": finding.where,
        "hint": finding.hint,
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "index": problem.index,
        "override": problem.override,
    }


def _error(error: ZopsError) -> dict[str, object]:
    problems: Sequence[Problem] = error.problems
    return {
        "code": error.code,
        "message": mask_passwords(error.message),
        "hint": error.hint,
        "problems": [_problem(problem) for problem in problems],
    }


def _encode(document: Mapping[str, object]) -> str:
    import json

    return json.dumps(document, default=_plain, allow_nan=False)


def _plain(value: object) -> object:
    """What JSON has no word for. Raises `TypeError` for what a result cannot hold."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a result cannot hold a {type(value).__name__}")
