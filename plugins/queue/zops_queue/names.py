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
PUSH_QUEUE = "missedmessage_mobile_notifications"
PUSH_SHARD = re.compile(PUSH_QUEUE + r"_shard\d+")
# With several push workers or several Tornado processes each has a queue of its own;
# `notify_tornado` is consumed by Tornado, never by a worker.
NUMBERED_QUEUES = re.compile(PUSH_SHARD.pattern + r"|notify_tornado(_port_\d+)?")


def is_server_queue(name: str) -> bool:
    """Is `name` a queue that a Zulip server uses?"""
    return name in SERVER_QUEUES or NUMBERED_QUEUES.fullmatch(name) is not None


def base_queue(name: str) -> str:
    """The queue that `name` is a shard of, or `name` itself."""
    return PUSH_QUEUE if PUSH_SHARD.fullmatch(name) else name


def shards(name: str, count: int, number: int) -> list[str]:
    """The queues that the events of queue `name` are in, where push has `count` shards.

    With a worker's `number`, only that worker's. Raises `UsageError` when there is no such shard.
    """
    if name != PUSH_QUEUE or count <= 1:
        return [name]
    if number > count:
        raise UsageError(
            f"there is no shard {number} of {name}",
            hint=f"the server has {count}: 1 to {count}, or 0 for all",
        )
    return [f"{name}_shard{each}" for each in ([number] if number else range(1, count + 1))]


def push_queue(user_id: int, count: int) -> str:
    """The queue for what is pushed to this user's devices, where there are `count` shards."""
    return f"{PUSH_QUEUE}_shard{user_id % count + 1}" if count > 1 else PUSH_QUEUE


def unknown_queue(name: str, known: Iterable[str]) -> UsageError:
    """The error for a queue that nobody knows, with the one that was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known queues: {', '.join(names)}"
    return UsageError(f"there is no queue {name!r}", hint=hint, code="unknown-queue")
