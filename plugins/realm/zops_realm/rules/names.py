"""What the rules for names of people and of channels have in common."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from zcore import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Set

PLANE_SIZE = 0x10000
NONE: Set[str] = frozenset()


def of_wrong_length(
    values: Sequence[str], kind: str, code: str, shortest: int, longest: int
) -> Iterator[Problem]:
    """Those with fewer or more characters, not counting spaces around them."""
    for index, value in enumerate(values):
        size = len(value.strip())
        if not shortest <= size <= longest:
            yield Problem(
                code,
                f"the {kind} {value!r} has {size} character{'s' * (size != 1)}",
                hint=f"use {shortest} to {longest} characters",
                index=index,
            )


def with_characters(
    values: Sequence[str], kind: str, code: str, reason: str, forbidden: Set[str] = NONE
) -> Iterator[Problem]:
    """Those with a character that is `forbidden` or cannot be shown; `reason` says why not."""
    for index, value in enumerate(values):
        bad = _bad_characters(value.strip(), forbidden)
        if bad:
            shown = " ".join(ascii(character)[1:-1] for character in bad)
            yield Problem(
                code,
                f"the {kind} {value!r} has characters that {reason}: {shown}",
                hint="leave them out",
                index=index,
            )


def _bad_characters(name: str, forbidden: Set[str]) -> list[str]:
    if name.isprintable() and forbidden.isdisjoint(name):  # as nearly all names are
        return []
    return sorted({one for one in name if one in forbidden or is_unshowable(one)})


def is_unshowable(character: str) -> bool:
    """A control character, half of a character, or one that Unicode gives no meaning, ever."""
    return unicodedata.category(character) in ("Cc", "Cs") or _is_noncharacter(ord(character))


def _is_noncharacter(code_point: int) -> bool:
    """One of the 66 code points that Unicode promises never to give a meaning."""
    return 0xFDD0 <= code_point <= 0xFDEF or code_point % PLANE_SIZE >= PLANE_SIZE - 2
