"""What a running server does not hear of: it keeps lists in memcached for days."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore import Change, Context

NOTES = {
    "user.created": "a running server shows the account when its cache is flushed"
    " (scripts/setup/flush-memcached) and clients are reloaded",
}


def note(change: Change, context: Context) -> None:
    """Say on one line what a running server shows only later, and how to make it sooner."""
    if change.kind in NOTES and context.database.is_server:
        context.console.note(NOTES[change.kind])
