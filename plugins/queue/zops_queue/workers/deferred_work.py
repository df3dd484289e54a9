"""Queue `deferred_work`: work of many kinds that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from zcore.broker import Event, Rejected, WorkContext, is_rabbitmq
from zops_queue.deferred.export_running import run_export
from zops_queue.deferred.push_tokens import clear_tokens, tell_push_service
from zops_queue.deferred.reactivation import reactivate
from zops_queue.deferred.reading import mark_channels_read, mark_read_for_everyone
from zops_queue.pushing import may_have_service
from zops_queue.workers.fields import BadField, text_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context

LONGEST_TYPE = 100

KINDS: Mapping[str, Callable[[Event, WorkContext], str]] = {
    "clear_push_device_tokens": clear_tokens,
    "mark_stream_messages_as_read": mark_channels_read,
    "mark_stream_messages_as_read_for_everyone": mark_read_for_everyone,
    "push_bouncer_update_for_realm": tell_push_service,
    "realm_export": run_export,
    "soft_reactivate": reactivate,
}
# What a server publishes that needs its own code, or would be dangerous to do twice.
SERVER_KINDS = ("reupload_realm_emoji", "scrub_deactivated_realm")
WITH_PUSH_SERVICE = ("clear_push_device_tokens", "push_bouncer_update_for_realm")


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Do what each event asks for, by its `type`. Rejected are kinds that nobody here can do."""
    found = ((event, _do(event, context)) for event in events)
    return [Rejected(event, reason) for event, reason in found if reason]


def partial(context: Context) -> str:
    """Which kinds of a server's work can only be done by the server."""
    settings = context.settings
    if not is_rabbitmq(settings.broker):
        return ""
    left = (*SERVER_KINDS, *(WITH_PUSH_SERVICE if may_have_service(settings) else ()))
    return f"only the server's own worker can do {', '.join(sorted(left))}"


def _do(event: Event, work: WorkContext) -> str:
    """Why the event can never be done; "" when it is done."""
    try:
        kind = text_field(event.payload, "type", LONGEST_TYPE)
        do = KINDS.get(kind)
        if do is not None:
            return do(event, work)
    except BadField as problem:
        return str(problem)
    if kind in SERVER_KINDS:
        return f"work of the type {kind!r} can only be done by the server's own worker"
    return f"nobody knows what work of the type {kind!r} is"
