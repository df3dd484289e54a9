"""The arguments and options that describe a person who is to get an account."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from zops_realm.password_options import Function, password_options
from zops_realm.person_input import Answer, PersonInput


def person_options(whose: str) -> Callable[[Function], Function]:
    """Add them to a command, which gets all of them as one `person`.

    `whose` stands in the help: "The owner's e-mail address."
    """

    def decorate(command: Function) -> Function:
        @click.argument("email_argument", metavar="[EMAIL]", required=False)
        @click.argument("full_name_argument", metavar="[FULL_NAME]", required=False)
        @click.option("--email", help=f"{whose} e-mail address.")
        @click.option("--full-name", help=f"{whose} name.")
        @password_options
        @functools.wraps(command)
        def with_person(
            *,
            email_argument: str | None,
            full_name_argument: str | None,
            email: str | None,
            full_name: str | None,
            password: Any,
            **rest: Any,
        ) -> Any:
            person = PersonInput(
                Answer("E-mail", "--email", email_argument, email),
                Answer("Full name", "--full-name", full_name_argument, full_name),
                password,
            )
            return command(person=person, **rest)

        decorated: Function = with_person  # type: ignore[assignment]  # click's decorators lose the type
        return decorated

    return decorate
