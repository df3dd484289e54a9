"""Running `zops` in tests, and what a run left behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sysconfig
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zcore.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcore.database import Database

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


@dataclass(frozen=True, slots=True)
class Order:
    """One run that is wanted: what is typed, what is there to read, and around it."""

    words: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str]
    folder: Path


class Runner(ABC):
    """Runs `zops` in `folder`, with a home of its own and an environment of its own.

    `environment` can be changed: `zops.environment["ZOPS_EXTERNAL_HOST"] = "chat.example.com"`.
    Two runners that were given the same one share home, settings and temporary plugins.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = private_environment(folder) if environment is None else environment

    @property
    def home(self) -> Path:
        """The data folder: what `ZOPS_HOME` says."""
        return Path(self.environment["ZOPS_HOME"])

    def on(self, database: Database) -> Self:
        """Work on `database` from now on. Returns itself."""
        self.environment["ZOPS_DATABASE"] = database.url.render_as_string(hide_password=False)
        return self

    def __call__(
        self,
        *arguments: str | os.PathLike[str],
        check: bool = True,
        exit_code: int = ExitCode.DONE,
        stdin: str | bytes = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        """Run to the end. Fails unless the exit code is `exit_code`; `check=False` takes any."""
        order = Order(
            words=tuple(os.fspath(argument) for argument in arguments),
            stdin=stdin.encode() if isinstance(stdin, str) else stdin,
            environment={**self.environment, **(env or {})},
            folder=cwd or self.folder,
        )
        completed = self._run(order)
        return completed.assert_exit(exit_code) if check else completed

    @abstractmethod
    def _run(self, order: Order) -> Completed:
        """One run, whatever its exit code."""


class Zops(Runner):
    """The installed command as a process, with nothing of ours around it.

    `timeout` is how many seconds a run may take.
    """

    def __init__(
        self,
        folder: Path,
        program: Path | None = None,
        *,
        environment: dict[str, str] | None = None,
        timeout: float = SECONDS,
    ) -> None:
        super().__init__(folder, environment)
        self.program = program or Path(sysconfig.get_path("scripts")) / "zops"
        self.timeout = timeout
        self._running: list[subprocess.Popen[str]] = []

    def _run(self, order: Order) -> Completed:
        done = subprocess.run(
            [self.program, *order.words],
            input=order.stdin,
            env=order.environment,
            cwd=order.folder,
            capture_output=True,
            timeout=self.timeout,
        )
        return Completed(order.words, done.returncode, text(done.stdout), text(done.stderr))

    def start(
        self, *arguments: str | os.PathLike[str], env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start it and return at once; what still runs at the end of the test is killed."""
        process = subprocess.Popen(
            [self.program, *arguments],
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


def private_environment(folder: Path) -> dict[str, str]:
    """The variables of a run that is to see nothing of this machine's settings."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    places = {"HOME": str(folder), "ZOPS_HOME": str(folder / "zops-home")}
    return kept | {"LANG": "C.UTF-8"} | places


def text(output: bytes) -> str:
    """What a run has written, as text; bytes that are none show as they are."""
    return output.decode("utf-8", "backslashreplace")
