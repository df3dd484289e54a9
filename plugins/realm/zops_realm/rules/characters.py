"""Characters that no name of anything can have."""

from __future__ import annotations

import unicodedata

PLANE_SIZE = 0x10000


def is_unshowable(character: str) -> bool:
    """A control character, half of a character, or one that Unicode gives no meaning, ever."""
    return unicodedata.category(character) in ("Cc", "Cs") or _is_noncharacter(ord(character))


def _is_noncharacter(code_point: int) -> bool:
    """One of the 66 code points that Unicode promises never to give a meaning."""
    return 0xFDD0 <= code_point <= 0xFDEF or code_point % PLANE_SIZE >= PLANE_SIZE - 2
