"""Rules for the names of channels (`zerver_stream.name`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Problem
from zops_realm.rules import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

LONGEST = 60  # the width of the column


def length(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """1 to 60 characters, not counting spaces around them."""
    return names.of_wrong_length(values, "channel name", "channel-name-length", 1, LONGEST)


def characters(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """Nothing that cannot be shown."""
    code, reason = "channel-name-characters", "cannot be shown"
    return names.with_characters(values, "channel name", code, reason)


def not_taken(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    """No channel of the organization has it in any case of letters, not even an archived one."""
    if context.database is None or context.realm_id is None:
        return
    import sqlalchemy as sa

    from zcore.schema.channels import zerver_stream

    streams = zerver_stream.c
    with context.database.read() as connection:
        # All of them: SQLite knows capitals only in ASCII, and there are never many.
        chosen = sa.select(streams.name, streams.deactivated).where(
            streams.realm_id == context.realm_id
        )
        taken = {name.lower(): archived for name, archived in connection.execute(chosen)}
    for index, value in enumerate(values):
        archived = taken.get(value.strip().lower())
        if archived is not None:
            kind = "archived channel" if archived else "channel"
            yield Problem(
                "channel-name-taken",
                f"there is a {kind} {value.strip()!r} already",
                hint="use another name",
                index=index,
            )
