"""What handles the events of each queue. A worker knows its events and the database, no broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zcore import current

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from zcore import Context

T = TypeVar("T")


def needs_database(context: Context) -> str:
    """Ready when the database is: connecting raises what is wrong with it."""
    _ = context.database
    return ""


def kept_by_thread(of_thread: threading.local, make: Callable[[Context], T]) -> T:
    """What this thread has made in this run, from event to event; made when there is none yet."""
    context = current()
    kept: tuple[Context, T] | None = getattr(of_thread, "kept", None)
    if kept is None or kept[0] is not context:
        kept = of_thread.kept = (context, make(context))
    return kept[1]
