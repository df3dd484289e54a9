"""The installed `zops`, run as a user runs it: a process, with nothing of ours around it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcore.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS = 120.0
KEPT_VARIABLES = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Completed:
    """What a run of `zops` left behind."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> dict[str, Any]:
        """The JSON object on stdout. Fails when stdout is not exactly one."""
        try:
            document = json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError(f"stdout is not one JSON document: {error}\n{self}") from None
        if not isinstance(document, dict):
            raise AssertionError(f"stdout is not a JSON object\n{self}")
        return document

    def codes(self) -> set[str]:
        """With `--json`: the code of the error and those of its problems; empty when none."""
        error = self.json().get("error") or {}
        return {code for code in [error.get("code")] if code} | {
            problem["code"] for problem in error.get("problems", ())
        }

    def assert_exit(self, expected: int) -> Completed:
        """Fail, with the output, unless the exit code is `expected`; returns itself."""
        if self.exit_code != expected:
            raise AssertionError(f"exit code {self.exit_code}, not {expected}\n{self}")
        if self.exit_code != ExitCode.BUG and "Traceback (most recent call last)" in self.stderr:
            raise AssertionError(f"a traceback\n{self}")
        return self

    def assert_refused(self, code: str = "") -> Completed:
        """Fail unless it was refused (exit 3); with `code` (and `--json`), for that reason."""
        self.assert_exit(ExitCode.REFUSED)
        if code and code not in self.codes():
            raise AssertionError(f"refused for {sorted(self.codes())}, not {code}\n{self}")
        return self

    def __str__(self) -> str:
        return (
            f"$ zops {' '.join(self.arguments)}\nexit code {self.exit_code}\n"
            f"--- stdout\n{self.stdout}--- stderr\n{self.stderr}"
        )


class Zops:
    """Runs `zops` in `folder`, with a home of its own and an environment of its own.

    `environment` can be changed: `zops.environment["ZOPS_DATABASE"] = url`.
    """

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        self.folder = folder
        self.program = program or Path(sysconfig.get_path("scripts")) / "zops"
        self.home = folder / "zops-home"
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        self.environment = kept | {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ZOPS_HOME": str(self.home),
        }
        self._running: list[subprocess.Popen[str]] = []

    def __call__(
        self,
        *arguments: str | os.PathLike[str],
        check: bool = True,
        exit_code: int = ExitCode.DONE,
        stdin: str | bytes = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = SECONDS,
    ) -> Completed:
        """Run to the end. Fails unless the exit code is `exit_code`; `check=False` takes any."""
        words = _words(arguments)
        done = subprocess.run(
            [self.program, *words],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            env={**self.environment, **(env or {})},
            cwd=cwd or self.folder,
            capture_output=True,
            timeout=timeout,
        )
        completed = Completed(words, done.returncode, _text(done.stdout), _text(done.stderr))
        return completed.assert_exit(exit_code) if check else completed

    def start(
        self, *arguments: str | os.PathLike[str], env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start it and return at once; what still runs at the end of the test is killed."""
        process = subprocess.Popen(
            [self.program, *_words(arguments)],
            env={**self.environment, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.append(process)
        return process

    def stop_all(self) -> None:
        """Kill what `start` started and still runs."""
        for process in self._running:
            if process.poll() is None:
                process.kill()
            with contextlib.suppress(ValueError):  # its output was read and closed already
                process.communicate()
        self._running.clear()


def _words(arguments: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    return tuple(os.fspath(argument) for argument in arguments)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "backslashreplace")
