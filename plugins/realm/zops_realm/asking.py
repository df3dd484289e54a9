"""What a command needs and was not given: asked for at the terminal, where there is one."""

from __future__ import annotations

import sys

import click

from zcore import UsageError, current


def given_or_asked(label: str, flag: str, argument: str | None, option: str | None) -> str:
    """The value from the argument or the option, or what a person at the terminal types."""
    if argument is not None and option is not None:
        raise UsageError(
            f"{label.lower()} is given twice: as an argument and with {flag}",
            hint="give it once",
        )
    value = argument if argument is not None else option
    if value is not None:
        return value
    if not sys.stdin.isatty():
        raise UsageError(
            f"no {label.lower()} was given, and there is no terminal to ask for it at",
            hint=f"give {flag}",
        )
    with current().stop.at_once():  # Ctrl-C at a question ends the program, as everywhere
        answer: str = click.prompt(label, err=True)
    return answer
