"""Rules for the subdomain of an organization (`zerver_realm.string_id`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zcore import Problem
from zops_realm.rules.reserved_words import reason_reserved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

CHARACTERS = re.compile("[a-z0-9-]*")
SHORTEST = 3
LONGEST = 40  # the width of the column
RESERVED_FLAG = "--allow-reserved-subdomain"

# The server answers at `www` for the root organization, and keeps the other for its own bots.
UNUSABLE = {
    "www": "the server takes it for the root domain, so nobody could reach the organization",
    "zulipinternal": "the server's own bots live there",
}


def characters(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Lower-case letters, digits and dashes, and no dash at an end."""
    for index, value in enumerate(values):
        if not CHARACTERS.fullmatch(value):
            yield Problem(
                "subdomain-characters",
                f"subdomain {value!r} has other characters than a-z, 0-9 and '-'",
                hint="use lower-case letters, digits and dashes only",
                index=index,
            )
        if value.startswith("-") or value.endswith("-"):
            yield Problem(
                "subdomain-dash",
                f"subdomain {value!r} begins or ends with a dash",
                hint="let it begin and end with a letter or digit",
                index=index,
            )


def length(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """3 to 40 characters; or none at all, which is the root domain."""
    for index, value in enumerate(values):
        if value and not SHORTEST <= len(value) <= LONGEST:
            yield Problem(
                "subdomain-length",
                f"subdomain {value!r} has {len(value)} characters",
                hint=f"use {SHORTEST} to {LONGEST} characters",
                index=index,
            )


def usable(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Not one that the server keeps for itself, whatever flags are given."""
    for index, value in enumerate(values):
        if value in UNUSABLE:
            yield Problem(
                "subdomain-unusable",
                f"subdomain {value!r} cannot be used: {UNUSABLE[value]}",
                hint="choose another one",
                index=index,
            )


def not_reserved(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Not a word that could be taken for the server itself, unless the flag says so."""
    for index, value in enumerate(values):
        reason = reason_reserved(value)
        if reason and value not in UNUSABLE:
            yield Problem(
                "subdomain-reserved",
                f"subdomain {value!r} is reserved: {reason}",
                hint=f"choose another one, or give {RESERVED_FLAG}",
                index=index,
                override=RESERVED_FLAG,
            )


def not_taken(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """No organization has it, active or not, and no two of `values` are the same."""
    taken = _taken(values, context)
    for index, value in enumerate(values):
        shown = repr(value) if value else "'' (the root domain)"
        if value in taken:
            yield Problem(
                "subdomain-taken",
                f"subdomain {shown} is taken by the organization {taken[value]!r}",
                hint="choose another one",
                index=index,
            )
        elif value in values[:index]:
            yield Problem(
                "subdomain-twice",
                f"subdomain {shown} is asked for twice",
                hint="give each organization its own",
                index=index,
            )


def _taken(values: Sequence[str], context: Validation) -> dict[str, str]:
    """Names of the organizations that have one of the subdomains, by subdomain."""
    if context.database is None:
        return {}
    import sqlalchemy as sa

    from zcore.schema.realms import zerver_realm

    realms = zerver_realm.c
    possible = [value for value in values if CHARACTERS.fullmatch(value)]
    chosen = sa.select(realms.string_id, realms.name).where(realms.string_id.in_(possible))
    with context.database.read() as connection:
        return dict(connection.execute(chosen).all())
