"""Rules for passwords. A password itself never stands in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

SHORTEST = 6
LONGEST = 100  # what the server's forms let somebody type


def length(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """6 to 100 characters."""
    for index, value in enumerate(values):
        if not SHORTEST <= len(value) <= LONGEST:
            yield Problem(
                "password-length",
                f"the password has {len(value)} characters",
                hint=f"choose one of {SHORTEST} to {LONGEST} characters",
                index=index,
            )
