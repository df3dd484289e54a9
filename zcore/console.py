"""What a person sees while a command runs. Everything here goes to stderr.

stdout belongs to the result of the command, and only the core writes it (`zcore.report`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from zcore.errors import Refused
from zcore.signals import StopFlag
from zcore.text import mask_passwords, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


# of what a line begins with, as the numbers of terminals
COLOURS = {"zops: error:": 31, "zops: warning:": 33, "zops: finding:": 33, "hint:": 36}


PREFIXES = {"info": "", "warning": "zops: warning: ", "debug": "zops: "}

Log = Callable[[str, str, "Mapping[str, object]"], None]
"""Writes a line: how grave it is, its text, and the facts in it."""


class Progress(Protocol):
    """How far a piece of work is."""

    def advance(self, n: int = 1) -> None:
        """`n` more units are done."""

    def describe(self, text: str) -> None:
        """What is being done now, in place of the label."""


class Console:
    """Notes, warnings, progress and questions of one run.

    `json` says that stdout will be one JSON document; `quiet` leaves out notes and progress;
    `verbosity` is the number of `-v`.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        verbosity: int = 0,
        stop: StopFlag | None = None,
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.verbosity = verbosity
        self.additions: dict[str, object] = {}
        self.log: Log = log_text
        self._stop = stop or StopFlag()

    def note(self, text: str, **facts: object) -> None:
        """Say something that is good to know, on one line. Not when quiet.

        `facts` are what `text` says, for programs that read a log of JSON (`zcore.log_lines`).
        """
        if not self.quiet:
            self.log("info", text, facts)

    def warn(self, text: str, **facts: object) -> None:
        """Say that something is not as it should be, on one line. Also when quiet."""
        self.log("warning", text, facts)

    def debug(self, text: str, **facts: object) -> None:
        """Say something that only helps to find a fault, on one line. Only with `-v`."""
        if self.verbosity:
            self.log("debug", text, facts)

    def add(self, key: str, data: object, text: str) -> None:
        """Show something beside the command's result, however the command ends.

        With `json` it becomes a key of the document, else `text` goes to stderr.
        """
        self.additions[key] = data
        if not self.json:
            sys.stderr.write(f"{mask_passwords(text)}\n")

    def report(self, text: str) -> None:
        """Show how it went, on several lines: what `--json` says in numbers. Not when quiet."""
        if not self.quiet and not self.json:
            sys.stderr.write(f"{mask_passwords(text)}\n")

    @property
    def shows_progress(self) -> bool:
        """Is there a terminal, and somebody who wants to see how far a command is?"""
        return not self.quiet and sys.stderr.isatty()

    @contextmanager
    def progress(self, label: str, total: float | None = None) -> Iterator[Progress]:
        """A progress bar while inside: `total` units, or an unknown number of them.

        Shown only when stderr is a terminal; whatever else is written to stderr appears above it.
        """
        if not self.shows_progress:
            yield _Hidden()
            return
        from zcore.progress import shown

        with shown(label, total) as progress:
            yield progress

    def confirm(self, question: str) -> bool:
        """Ask a person for yes or no; no is the default.

        Raises `Refused` when there is no person to ask.
        """
        if not sys.stdin.isatty():
            raise Refused(
                f"nobody is there to answer: {one_line(question)}",
                hint="give the answer on the command line (--yes)",
                code="no-terminal",
            )
        with self._stop.at_once():
            sys.stderr.write(f"{one_line(question)} [y/N] ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() in {"y", "yes"}


class _Hidden:
    """Progress that nobody sees."""

    def advance(self, n: int = 1) -> None:
        """Nothing to show."""

    def describe(self, text: str) -> None:
        """Nothing to show."""


def log_text(level: str, text: str, facts: Mapping[str, object]) -> None:
    """Write a line for people."""
    write_line(f"{PREFIXES[level]}{text}")


def write_line(text: str) -> None:
    """Write `text` to stderr as one line, with the passwords of URLs masked."""
    line = mask_passwords(one_line(text))
    sys.stderr.write(f"{_emphasized(line) if _shows_colours() else line}\n")


def _shows_colours() -> bool:
    """Is there a terminal, and nobody who asked for no colours (NO_COLOR)?"""
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return not unwanted and sys.stderr.isatty()


def _emphasized(line: str) -> str:
    """`line` with a colour for what it begins with, when that says how grave it is."""
    for start, colour in COLOURS.items():
        if line.startswith(start):
            return f"\x1b[1;{colour}m{start}\x1b[0m{line.removeprefix(start)}"
    return line


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """`rows` under the headings `columns` as text, aligned; without rows, the headings alone."""
    lines = [[str(column) for column in columns]]
    lines += [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
