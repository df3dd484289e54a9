"""The names of queues: those of a Zulip server, and what to say about others."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from zcore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVER_QUEUES = (
    "deferred_email_senders",
    "deferred_work",
    "digest_emails",
    "email_mirror",
    "email_senders",
    "embed_links",
    "embedded_bots",
    "missedmessage_emails",
    "missedmessage_mobile_notifications",
    "outgoing_webhooks",
    "thumbnail",
    "user_activity",
    "user_activity_interval",
)
# With several push workers or several Tornado processes each has a queue of its own;
# `notify_tornado` is consumed by Tornado, never by a worker.
NUMBERED_QUEUES = re.compile(
    r"missedmessage_mobile_notifications_shard\d+|notify_tornado(_port_\d+)?"
)


def is_server_queue(name: str) -> bool:
    """Is `name` a queue that a Zulip server uses?"""
    return name in SERVER_QUEUES or NUMBERED_QUEUES.fullmatch(name) is not None


def unknown_queue(name: str, known: Iterable[str]) -> UsageError:
    """The error for a queue that nobody knows, with the one that was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known queues: {', '.join(names)}"
    return UsageError(f"there is no queue {name!r}", hint=hint, code="unknown-queue")
