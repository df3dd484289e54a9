"""Rules for the name of an organization (`zerver_realm.name`)."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from zcore import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

LONGEST = 40  # the width of the column


def length(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Something other than spaces, up to 40 characters."""
    for index, value in enumerate(values):
        if not value.strip():
            yield Problem(
                "realm-name-empty",
                "the name of the organization is empty",
                hint=f"give a name of up to {LONGEST} characters",
                index=index,
            )
        elif len(value) > LONGEST:
            yield Problem(
                "realm-name-length",
                f"the name of the organization {value!r} has {len(value)} characters",
                hint=f"use up to {LONGEST} characters",
                index=index,
            )


def characters(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """No control characters: the name stands in the headers of mails."""
    for index, value in enumerate(values):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            yield Problem(
                "realm-name-characters",
                f"the name of the organization {value!r} has characters that cannot be shown",
                hint="leave out line ends, tabs and other control characters",
                index=index,
            )
