"""Queue `outgoing_webhooks`: bots of users are told of messages, and may answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from zcore.broker import Rejected
from zcore.errors import Refused
from zops_queue.plugin import API_URL, ATTEMPTS, WEBHOOK_NETWORKS, WEBHOOK_SECONDS
from zops_queue.workers import kept_by_thread, needs_database
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Event, WorkContext
    from zops_queue.webhooks.serving import Serving

ROLE = "webhook"  # what the server's proxy lets webhooks do

_of_thread = threading.local()


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Call the bots. Rejected are events that do not fit, and those of no bot."""
    rejected = []
    serving = kept_by_thread(_of_thread, lambda here: _new_serving(here, context))
    for event in events:
        try:
            serving.serve(event, context)
        except BadField as problem:
            rejected.append(Rejected(event, str(problem)))
    return rejected


def ready(context: Context) -> str:
    """Ready when it is known where the server's API is, which says what bots answer."""
    from zops_queue.web.addresses import read_networks

    try:
        read_networks(context.setting(WEBHOOK_NETWORKS))
    except Refused as error:
        return error.message
    if not context.setting(API_URL) and context.settings.external_host is None:
        return "the server's host name is not known, so bots could not answer"
    return needs_database(context)


def _new_serving(context: Context, work: WorkContext) -> Serving:
    from zops_queue.mail.marks import Marks
    from zops_queue.web.addresses import read_networks
    from zops_queue.web.connecting import Way
    from zops_queue.webhooks.serving import MOST_TRIES, Serving

    marks = Marks(work.database, "webhooks")
    marks.forget_old(work.clock())
    allowed = read_networks(context.setting(WEBHOOK_NETWORKS))
    return Serving(
        way=Way(allowed, context.settings.http_proxy, ROLE),
        api_url=context.setting(API_URL),
        seconds=context.setting(WEBHOOK_SECONDS),
        most_tries=min(MOST_TRIES, context.setting(ATTEMPTS)),
        marks=marks,
    )
