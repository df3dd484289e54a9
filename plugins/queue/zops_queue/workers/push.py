"""Queue `missedmessage_mobile_notifications`, where nothing can be pushed: there is nothing to do.

A server publishes to it all the same, and somebody has to take the events away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.broker import is_rabbitmq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Event, WorkContext

CONFIGURED = "the server pushes to mobile devices, which only its own worker can do"
UNKNOWN = (
    "it is not known whether the server pushes to mobile devices"
    " (set push_service under [server], or name its configuration with ZOPS_ZULIP_CONF)"
)


def handle(events: Sequence[Event], context: WorkContext) -> None:
    """Do nothing with `events`, as the server's own worker does then."""


def ready(context: Context) -> str:
    """Ready where it is known that the server has no way to push."""
    settings = context.settings
    if settings.push_service:
        return CONFIGURED
    is_told = settings.zulip_conf is not None or not settings.is_default("push_service")
    return "" if is_told or not is_rabbitmq(settings.broker) else UNKNOWN
