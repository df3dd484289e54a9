"""Rules for the names of people (`zerver_userprofile.full_name`)."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from zcore import Problem
from zops_realm.rules import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

SHORTEST = 2
LONGEST = 100  # the width of the column
FORBIDDEN = frozenset('*`\\>"@')  # they mean something in a mention
LOOKS_LIKE_MENTION_WITH_ID = re.compile(r"\|\d+\Z")


def length(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """2 to 100 characters, not counting spaces around them."""
    return names.of_wrong_length(values, "name", "full-name-length", SHORTEST, LONGEST)


def characters(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Nothing that cannot be shown, and nothing that would break mentioning the person."""
    reason = "a name cannot have"
    return names.with_characters(values, "name", "full-name-characters", reason, FORBIDDEN)


def ending(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Not `|` and digits at the end: that is how a mention names a user by number."""
    for index, value in enumerate(values):
        if LOOKS_LIKE_MENTION_WITH_ID.search(value.strip()):
            yield Problem(
                "full-name-ending",
                f"the name {value!r} ends with '|' and a number",
                hint="leave that ending out",
                index=index,
            )


def unique(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Unlike every name in the realm, when the realm asks for that."""
    taken = _names_to_avoid(context)
    if taken is None:
        return
    for index, value in enumerate(values):
        key = comparable(value)
        if key in taken:
            yield Problem(
                "full-name-taken",
                f"somebody in the organization already has the name {value!r}",
                hint="the organization wants each name once: add something that tells them apart",
                index=index,
            )
        taken.add(key)


def comparable(name: str) -> str:
    """What two names have in common that count as the same."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _names_to_avoid(context: Validation) -> set[str] | None:
    """The realm's names in comparable form; None when the realm does not ask for unique ones."""
    if context.database is None or context.realm_id is None:
        return None
    import sqlalchemy as sa

    from zcore.schema.realms import zerver_realm
    from zcore.schema.users import zerver_userprofile

    wanted = sa.select(zerver_realm.c.require_unique_names).where(
        zerver_realm.c.id == context.realm_id
    )
    users = zerver_userprofile.c
    in_use = sa.select(users.full_name).where(users.realm_id == context.realm_id)
    with context.database.read() as connection:
        if not connection.scalar(wanted):
            return None
        return {comparable(name) for name in connection.scalars(in_use)}
