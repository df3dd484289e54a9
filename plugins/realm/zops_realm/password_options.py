"""The options that say where a password comes from, for every command that needs one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zops_realm.password_input import PasswordSource

Function = TypeVar("Function", bound=Callable[..., Any])

FILE = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read the password from FILE.",
)
STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
NONE = click.option("--no-password", is_flag=True, help="Make an account without a password.")


def password_options(command: Function) -> Function:
    """Add the options for a new password to `command`, which gets them as one `password`."""

    @functools.wraps(command)
    def with_source(
        *, password_file: Path | None, password_stdin: bool, no_password: bool, **rest: Any
    ) -> Any:
        return command(password=PasswordSource(password_file, password_stdin, no_password), **rest)

    decorated: Function = _with_options(with_source, FILE, STDIN, NONE)
    return decorated


def known_password_options(command: Function) -> Function:
    """The same for a password that somebody has already."""

    @functools.wraps(command)
    def with_source(*, password_file: Path | None, password_stdin: bool, **rest: Any) -> Any:
        source = PasswordSource(password_file, password_stdin, is_new=False)
        return command(password=source, **rest)

    decorated: Function = _with_options(with_source, FILE, STDIN)
    return decorated


def _with_options(function: Any, *options: Callable[[Any], Any]) -> Any:
    for option in reversed(options):
        function = option(function)
    return function
