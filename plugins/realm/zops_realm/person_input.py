"""The person whom an account is for: what the command line says, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import click

from zcore import UsageError, current
from zops_realm.new_password import NewPassword
from zops_realm.password_input import at_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zops_realm.password_input import PasswordSource


class Person(NamedTuple):
    """Everything that was given or answered. The password is being hashed already."""

    email: str
    full_name: str
    password: NewPassword


@dataclass(frozen=True, slots=True)
class Answer:
    """Something that is given as an argument or with an option, or asked for at the terminal."""

    label: str
    flag: str
    argument: str | None
    option: str | None

    @property
    def given(self) -> str | None:
        """What the command line says; None when it says nothing. Raises `UsageError` for two."""
        if self.argument is not None and self.option is not None:
            raise UsageError(
                f"{self.label.lower()} is given twice: as an argument and with {self.flag}",
                hint="give it once",
            )
        return self.option if self.argument is None else self.argument

    def get(self) -> str:
        """The value; asks for what the command line does not say."""
        if self.given is not None:
            return self.given
        with current().stop.at_once():  # Ctrl-C at a question ends the program, as everywhere
            answer: str = click.prompt(self.label, err=True)
        return answer


@dataclass(frozen=True, slots=True)
class PersonInput:
    """What the command line says about a person."""

    email: Answer
    full_name: Answer
    password: PasswordSource

    def is_named(self) -> bool:
        """Does it give an address or a name?"""
        return self.email.given is not None or self.full_name.given is not None

    def get(self, is_password_used: Callable[[], bool]) -> Person:
        """Address, name and password; asks for what was not given.

        Where nothing is said about a password, `is_password_used` is asked whether the person
        logs in by it; who does not gets none. Raises `UsageError` that names all flags that are
        missing, where there is no terminal to ask at, `Refused` when the password cannot be read,
        and whatever the question raises.
        """
        self.password.require_one_way()
        missing = [answer for answer in (self.email, self.full_name) if answer.given is None]
        if missing and not at_terminal():
            raise _not_given(missing, self.password)
        source = self.password
        if source.is_missing() and not is_password_used():
            source = replace(source, none=True)
        source.check()
        email, full_name = self.email.get(), self.full_name.get()
        return Person(email, full_name, NewPassword(source.read()).begin())


def _not_given(missing: Sequence[Answer], password: PasswordSource) -> UsageError:
    """What to raise, with everything that was not given."""
    labels = [answer.label.lower() for answer in missing]
    hint = f"give {' and '.join(answer.flag for answer in missing)}"
    if password.is_missing():
        labels.append("password")
        hint += f"; and {password.flags}"
    *first, last = labels
    named = f"{', '.join(first)} and {last} were" if first else f"{last} was"
    return UsageError(f"{named} not given, and there is no terminal to ask at", hint=hint)
