"""Rules about what `zops import` found: validators of `import.source`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from zcore import ImportSource, Problem
from zcore.organizations.system_bots import SYSTEM_BOTS
from zcore.schema import tables

if TYPE_CHECKING:
    from zcore import Validation

realms = tables["zerver_realm"]
users = tables["zerver_userprofile"]
LONGEST_SHOWN = 40


def uuid_is_one(values: Sequence[ImportSource], context: Validation) -> Iterator[Problem]:
    """The organization's uuid, if it has one, is one."""
    for index, source in enumerate(values):
        uuid = source.realm.get("uuid")
        try:
            UUID("0" * 32 if uuid is None else str(uuid))
        except ValueError:
            row = f"zerver_realm {source.realm.get('id')}"
            yield Problem(
                "bad-value",
                f"{row}: uuid {str(uuid)[:LONGEST_SHOWN]!r} is none",
                hint="make the export again, or take the uuid out: an import makes a new one",
                index=index,
                where="realm.json",
                row=row,
            )


def bots_are_known(values: Sequence[ImportSource], context: Validation) -> Iterator[Problem]:
    """The system bots of the other server are those of this one, by their addresses."""
    known = _known_bots(context)
    for index, source in enumerate(values):
        if missing := sorted({email.lower() for email in source.system_bots} - known):
            message = f"this server has no system bot {', '.join(missing)}"
            yield Problem(
                "no-bot",
                message,
                hint="is it the right database? A server makes its bots before all else",
                index=index,
                where="realm.json",
                row="zerver_userprofile_crossrealm",
            )


def _known_bots(context: Validation) -> set[str]:
    """The bots of the server; an empty database gets them with its first organization."""
    if context.database is None:
        return set(SYSTEM_BOTS)
    with context.database.read() as connection:
        if connection.execute(sa.select(realms.c.id).limit(1)).first() is None:
            return set(SYSTEM_BOTS)
        emails = sa.select(sa.func.lower(users.c.email)).where(users.c.is_bot).distinct()
        return set(connection.scalars(emails))
