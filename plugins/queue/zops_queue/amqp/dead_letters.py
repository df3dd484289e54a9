"""The dead letters in RabbitMQ: read from their headers, and some of them settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore.broker import DeadLetter, Failure
from zops_queue.amqp import names
from zops_queue.amqp.getting import get_messages, give_back
from zops_queue.amqp.publisher import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zcore.broker import Choice
    from zops_queue.amqp.getting import Got
    from zops_queue.amqp.link import Link
    from zops_queue.amqp.publisher import Publisher

AT_ONCE = 500
UNKNOWN = datetime.fromtimestamp(0, UTC)


def read(queue: str, message: Got) -> DeadLetter:
    """The dead letter of `queue` that a message is."""
    headers = message.properties.headers
    failure = Failure(
        error=names.text_of(headers, names.ERROR),
        traceback=names.text_of(headers, names.TRACEBACK),
        attempts=names.count_of(headers, names.ATTEMPTS),
        host=names.text_of(headers, names.HOST),
        worker=names.text_of(headers, names.WORKER),
        time=names.time_of(headers, names.TIME) or UNKNOWN,
        first_seen=names.time_of(headers, names.FIRST_SEEN),
    )
    number = message.properties.message_id or ""
    return DeadLetter(id=number, queue=queue, body=message.body, failure=failure)


def settle(
    link: Link,
    publisher: Publisher,
    queue: str,
    count: int,
    chosen: Choice,
    before: Callable[[Sequence[DeadLetter]], object],
) -> list[str]:
    """Acknowledge those of the oldest `count` dead letters of `queue` that are `chosen`.

    `before` is called with each block of them before it is acknowledged. The others go back to
    their places when they fit into one block; else, since RabbitMQ takes very long to put many
    back, to the end of the dead letters, so that all of them keep their order. Returns the ids of
    the settled.
    """
    settled: list[str] = []
    dead = names.dead_queue(queue)
    in_place = count <= AT_ONCE
    channel = link.channel()
    held = 0
    while count > 0:  # what is given up meanwhile is left for the next time
        found = get_messages(link, channel, dead, min(count, AT_ONCE))
        if not found:
            break
        letters = [(each, read(queue, each)) for each in found]
        choices = [chosen(letter) for _, letter in letters]
        meant = [pair for pair, yes in zip(letters, choices, strict=True) if yes]
        others = [each for (each, _), yes in zip(letters, choices, strict=True) if not yes]
        if meant:
            before([letter for _, letter in meant])
        if in_place:
            held = len(others)
        else:
            publisher.send_all(_again(dead, each) for each in others)
        with link.translated():
            for each in [message for message, _ in meant] if in_place else found:
                channel.raw.basic_ack(each.method.delivery_tag)
        settled += [letter.id for _, letter in meant]
        count -= len(found)
    give_back(link, channel, dead, held)
    return settled


def _again(dead: str, message: Got) -> Message:
    return Message(
        dead,
        message.body,
        headers=message.properties.headers or {},
        id=message.properties.message_id,
    )
