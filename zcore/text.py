"""Text that is safe to show: on one line, without control characters, without passwords."""

from __future__ import annotations

import re

MASK = "***"


def one_line(text: object) -> str:
    """`text` as one line: white space folded, control characters (terminal codes) shown as `?`."""
    folded = " ".join(str(text).split())
    return "".join(char if char.isprintable() else "?" for char in folded)


def is_text(text: str) -> bool:
    """Can `text` be stored and sent? Half of a character cannot, nor can NUL."""
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def describe(error: BaseException) -> str:
    """An exception on one line: its kind and text; of a missing dependency, what is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the module {error.name!r} is not installed"
    text = one_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def mask_passwords(text: str) -> str:
    """`text` with the passwords of all URLs in it replaced by `***`."""
    if "://" not in text:
        return text
    # up to the last @ of the word: a password may hold any character, and too much masked is safe
    text = re.sub(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@?#]*:)\S*(?=@)", rf"\1{MASK}", text, flags=re.I)
    in_query = r"([?&][a-z_]*(?:password|secret)[a-z_]*=)[^&\s'\"]+"
    return re.sub(in_query, rf"\1{MASK}", text, flags=re.I)


def has_password(url: str) -> bool:
    """Does this URL carry a password?"""
    return mask_passwords(url) != url
