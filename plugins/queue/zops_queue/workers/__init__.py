"""What handles the events of each queue. A worker knows its events and the database, no broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore import Context


def needs_database(context: Context) -> str:
    """Ready when the database is: connecting raises what is wrong with it."""
    _ = context.database
    return ""
