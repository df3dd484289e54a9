"""What is typed and seen in `console` blocks: run in one shell, and compared.

A line that begins with `$` is typed, what follows is seen, on stdout and stderr alike. `...`
stands for anything.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

END = "-- end of the command --"


@dataclass(frozen=True, slots=True)
class Typed:
    """A command of a block, and what it is said to print."""

    command: str
    seen: str


def typed(block: str) -> Iterator[Typed]:
    """The commands of a `console` block. What stands before the first is not looked at."""
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        command, _, seen = part.partition("\n")
        yield Typed(command, seen)


def fits(expected: str, actual: str) -> bool:
    """Is `actual` what the docs say?"""
    pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None


class Shell:
    """A bash that runs commands one after the other; variables stay set."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],  # noqa: S607 # the one on the PATH
            cwd=folder, env=dict(environment), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bash.kill()
        self._bash.communicate()

    def run(self, command: str) -> str:
        """What the command prints."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null\necho\necho '{END}'\n")
        self._bash.stdin.flush()
        said = ""
        while not said.endswith(f"{END}\n"):
            line = self._bash.stdout.readline()
            assert line, f"the shell has ended at {command!r}:\n{said}"
            said += line
        return said.removesuffix(f"\n{END}\n")

    def check(self, one: Typed) -> None:
        """Fail unless a command prints what is said."""
        said = self.run(one.command)
        assert fits(one.seen, said), f"$ {one.command}\n{said}\n--- the docs say\n{one.seen}"
