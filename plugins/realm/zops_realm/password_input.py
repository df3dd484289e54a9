"""Where a password comes from: a file, standard input, a prompt; never the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from zcore import Refused, UsageError, current

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = "--password-file FILE, --password-stdin, or --no-password"
FLAGS_FOR_CHECKING = "--password-file FILE or --password-stdin"
MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """What the command line said about the password.

    `is_new`: it is one to be set, so it is asked for twice, and there may be none.
    """

    file: Path | None = None
    from_stdin: bool = False
    none: bool = False
    is_new: bool = True

    @property
    def flags(self) -> str:
        """The flags that there are, for a hint."""
        return FLAGS if self.is_new else FLAGS_FOR_CHECKING

    def is_missing(self) -> bool:
        """Does it have to be asked for?"""
        return self.file is None and not self.from_stdin and not self.none

    def require_one_way(self) -> None:
        """Raise `UsageError` when more than one of the flags is given."""
        if sum((self.file is not None, self.from_stdin, self.none)) > 1:
            raise UsageError(
                "more than one way to get the password was given", hint=f"give {self.flags}"
            )

    def check(self) -> None:
        """Raise `UsageError` when more than one of the flags is given, or none can be asked for."""
        self.require_one_way()
        if self.is_missing() and not at_terminal():
            raise UsageError(
                "no password was given, and there is no terminal to ask for it at",
                hint=f"give {self.flags}",
            )

    def read(self) -> str | None:
        """The password; None when the account is to have none.

        Asks, without showing what is typed, when none of the flags was given. Raises
        `Refused` when the file cannot be read.
        """
        if self.none:
            return None
        if self.file is not None:
            return _from_file(self.file)
        if self.from_stdin:
            return _decoded(sys.stdin.buffer.read(MOST_BYTES), "standard input")
        with current().stop.at_once():  # Ctrl-C at a question ends the program, as everywhere
            password: str = click.prompt(
                "Password", hide_input=True, confirmation_prompt=self.is_new, err=True
            )
        return password


def at_terminal() -> bool:
    """Is there somebody to ask?"""
    return sys.stdin is not None and sys.stdin.isatty()


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
    except OSError as error:
        raise Refused(
            f"cannot read the password file {path}: {error.strerror}", code="password-file"
        ) from error
    return _decoded(content, str(path))


def _decoded(content: bytes, place: str) -> str:
    """The text without the space around it: editors end a file with a line end."""
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise Refused(f"the password in {place} is not UTF-8 text", code="password-file") from error
