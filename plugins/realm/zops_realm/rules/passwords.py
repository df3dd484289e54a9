"""Rules for passwords. A password itself never stands in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Problem
from zcore.text import is_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

SHORTEST = 6
LONGEST = 100  # what the server's forms let somebody type
FEWEST_GUESSES = 10_000
# The library looks at no more (what would take it long); more characters only make it stronger.
LOOKED_AT = 72


def length(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """6 to 100 characters."""
    for index, value in enumerate(values):
        if not SHORTEST <= len(value) <= LONGEST:
            yield Problem(
                "password-length",
                f"the password has {len(value)} character{'s' * (len(value) != 1)}",
                hint=f"choose one of {SHORTEST} to {LONGEST} characters",
                index=index,
            )


def strength(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """One that could not be guessed in ten thousand attempts."""
    for index, value in enumerate(values):
        if SHORTEST <= len(value) <= LONGEST and _guesses(value) < FEWEST_GUESSES:
            yield Problem(
                "password-weak",
                "the password is too easy to guess",
                hint="choose several unusual words, or something longer",
                index=index,
            )


def text(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Text that can be hashed: no half of a character."""
    for index, value in enumerate(values):
        if not is_text(value):
            yield Problem(
                "password-text",
                "the password has characters that are no text",
                hint="type it again, or give it in a file as UTF-8",
                index=index,
            )


def _guesses(password: str) -> int:
    from zxcvbn import zxcvbn

    return int(zxcvbn(password[:LOOKED_AT])["guesses"])
