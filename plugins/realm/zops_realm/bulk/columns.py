"""The names of what a file can say about an account."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from zcore import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EMAIL = "email"
FULL_NAME = "full_name"
ROLE = "role"
PASSWORD_HASH = "password_hash"  # noqa: S105  # the name of a column
GROUPS = "groups"
CHANNELS = "channels"

COLUMNS = (EMAIL, FULL_NAME, ROLE, PASSWORD_HASH, GROUPS, CHANNELS)
NEEDED = (EMAIL, FULL_NAME)
# Other words for them, all as `_folded` makes them.
SYNONYMS = {
    "name": FULL_NAME,
    "e_mail": EMAIL,
    "delivery_email": EMAIL,
    "email_address": EMAIL,
    "streams": CHANNELS,
    "user_groups": GROUPS,
}


def field_name(written: str) -> str | None:
    """The column that `written` means; None when there is no such column."""
    name = _folded(written)
    if name in COLUMNS:
        return name
    return FULL_NAME if name == "name" else None


def meant(written: str) -> str:
    """A hint at the column that was meant, or at all that there are."""
    name = _folded(written)
    close = [SYNONYMS[name]] if name in SYNONYMS else get_close_matches(name, COLUMNS, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"the columns are {', '.join(COLUMNS)}"


def field_names(header: Sequence[str], place: str) -> list[str]:
    """The columns that the header of a CSV file names, in its order.

    Raises `Refused` for one that is unknown, there twice, or missing.
    """
    names = [_known(written, place) for written in header]
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"{place} has the column {name!r} twice", code="column-twice")
    require(names, place)
    return names


def require(names: Iterable[str], place: str) -> None:
    """Raise `Refused` when one of the columns that must be there is not among `names`."""
    there = set(names)
    for name in NEEDED:
        if name not in there:
            raise Refused(
                f"{place} has no column {name!r}",
                code="column-missing",
                hint=f"its first line names the columns: {', '.join(COLUMNS)}",
            )


def _known(written: str, place: str) -> str:
    name = field_name(written)
    if name is None:
        raise Refused(
            f"{place} has an unknown column {written!r}", code="column-unknown", hint=meant(written)
        )
    return name


def _folded(written: str) -> str:
    return written.strip().lower().replace(" ", "_").replace("-", "_")
