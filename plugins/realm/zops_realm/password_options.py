"""The three options that say where a password comes from, for every command that needs one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from zops_realm.password_input import PasswordSource

Function = TypeVar("Function", bound=Callable[..., Any])


def password_options(command: Function) -> Function:
    """Add the options to `command`, which gets them as one argument `password`."""

    @functools.wraps(command)
    def with_source(
        *, password_file: Path | None, password_stdin: bool, no_password: bool, **rest: Any
    ) -> Any:
        source = PasswordSource(password_file, password_stdin, no_password)
        return command(password=source, **rest)

    options = (
        click.option(
            "--password-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Read the password from FILE.",
        ),
        click.option("--password-stdin", is_flag=True, help="Read the password from stdin."),
        click.option("--no-password", is_flag=True, help="Make an account without a password."),
    )
    decorated: Any = with_source
    for option in reversed(options):
        decorated = option(decorated)
    result: Function = decorated
    return result
