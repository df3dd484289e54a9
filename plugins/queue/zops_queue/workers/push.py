"""Queue `missedmessage_mobile_notifications`, where nothing can be pushed: there is nothing to do.

A server publishes to it all the same, and somebody has to take the events away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zops_queue.pushing import may_push

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Event, WorkContext

CONFIGURED = "the server pushes to mobile devices, which only its own worker can do"
UNKNOWN = (
    "it is not known whether the server pushes to mobile devices"
    " (set push_service or push_directly under [server], or name its configuration with"
    " ZOPS_ZULIP_CONF)"
)


def handle(events: Sequence[Event], context: WorkContext) -> None:
    """Do nothing with `events`, as the server's own worker does then."""


def ready(context: Context) -> str:
    """Ready where it is known that the server has no way to push."""
    pushes = may_push(context.settings)
    if pushes is None:
        return UNKNOWN
    return CONFIGURED if pushes else ""
