"""What a run hands back: its result or error on stdout and stderr, and its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, Self

from zcore.console import write_line
from zcore.errors import ExitCode, ZopsError
from zcore.streams import StdoutAsStderr, not_written
from zcore.text import mask_passwords

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from zcore.values import Finding, Problem, Result


class Output:
    """stdout of one run.

    With `json`, whatever is printed inside goes to stderr, by Python and by child processes
    alike, so that stdout is exactly one document. `additions` are keys of the document that are
    there however the command ends (`zcore.console.Console.add`).
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.additions: Mapping[str, object] = {}
        self._stdout = sys.stdout
        self._redirected = StdoutAsStderr()

    def __enter__(self) -> Self:
        if self.json:
            self._redirected.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.json:
            self._redirected.__exit__(kind, error, traceback)

    def finish(self, result: Result) -> int:
        """Print the result of a command. Returns the exit code."""
        code = ExitCode.FINDINGS if result.findings else ExitCode.DONE
        if self.json:
            document = {"ok": code == ExitCode.DONE, **result.data, **self.additions}
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
            document = {"ok": False, **error.data, "error": _error(error), **self.additions}
            return self._write(_encode(document), exit_code)
        write_line(f"zops: error: {error.message}")
        for problem in error.problems:
            if problem.message != error.message:
                known = not problem.where or problem.where in problem.message
                write_line(f"problem: {'' if known else f'{problem.where}: '}{problem.message}")
                if problem.hint and problem.hint != error.hint:
                    write_line(f"hint: {problem.hint}")
        if error.hint:
            write_line(f"hint: {error.hint}")
        return exit_code

    def last_words(self, error: ZopsError) -> None:
        """Print an error while the command still runs, just before the process ends."""
        if self.json and self._redirected.saved is not None:
            os.write(
                self._redirected.saved,
                f"{_encode({'ok': False, 'error': _error(error)})}\n".encode(),
            )
        else:
            write_line(f"zops: error: {error.message}")

    def _write(self, text: str, exit_code: int) -> int:
        """Write `text` and a newline to stdout; a reader that is gone is none of our business."""
        try:
            self._stdout.write(f"{text}\n")
            self._stdout.flush()
        except OSError as error:
            return not_written(error, exit_code)
        return exit_code


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "message": mask_passwords(finding.message),
        "where": mask_passwords(finding.where),
        "hint": mask_passwords(finding.hint),
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "code": problem.code,
        "message": mask_passwords(problem.message),
        "hint": mask_passwords(problem.hint),
        "index": problem.index,
        "override": problem.override,
        "where": mask_passwords(problem.where),
        "row": mask_passwords(problem.row),
    }


def _error(error: ZopsError) -> dict[str, object]:
    problems: Sequence[Problem] = error.problems
    return {
        "code": error.code,
        "message": mask_passwords(error.message),
        "hint": mask_passwords(error.hint),
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
