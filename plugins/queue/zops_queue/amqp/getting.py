"""Messages got one by one, without a consumer: for looking, and for moving some of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pika import spec

if TYPE_CHECKING:
    from zops_queue.amqp.link import Channel, Link

SECONDS_TO_GIVE_BACK = 1.0
SECONDS_BETWEEN_LOOKS = 0.01


class Got(NamedTuple):
    """A message, as pika gives it."""

    method: Any
    properties: Any
    body: bytes


def get_messages(link: Link, channel: Channel, queue: str, most: int) -> list[Got]:
    """The first messages of `queue`, at most `most`.

    They stay on `channel`: what is not acknowledged goes back to its place with `give_back`.
    """
    found: list[Got] = []
    empty: list[object] = []
    channel.raw.add_callback(empty.append, [spec.Basic.GetEmpty], one_shot=False)
    got: list[object] = []

    def take(_channel: object, method: Any, properties: Any, body: bytes) -> None:
        got.append(method)
        found.append(Got(method, properties, body))

    while len(found) < most and not empty:
        got.clear()
        with link.translated():
            channel.raw.basic_get(queue, take)
        link.wait_until(lambda: got or empty or channel.closed)
        channel.check()
    return found


def give_back(link: Link, channel: Channel, queue: str, count: int) -> None:
    """Let the `count` messages still on `channel` go back to their places in `queue`; close it.

    RabbitMQ answers before it has done so: whoever looked at once would miss some of them. It is
    waited for, but not for long, since a consumer may have been faster.
    """
    with link.translated():
        channel.raw.basic_nack(0, multiple=True, requeue=True)
    deadline = time.monotonic() + SECONDS_TO_GIVE_BACK
    while time.monotonic() < deadline:
        found = channel.call(channel.raw.queue_declare, queue, passive=True)
        if found.message_count >= count:
            break
        link.wait(SECONDS_BETWEEN_LOOKS)
    channel.close()
