"""The dead letters in RabbitMQ: read from their headers, and some of them settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore.broker import DeadLetter, Failure
from zops_queue.amqp import names
from zops_queue.amqp.getting import get_messages, give_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zcore.broker import Choice
    from zops_queue.amqp.getting import Got
    from zops_queue.amqp.link import Link

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
    queue: str,
    count: int,
    chosen: Choice,
    before: Callable[[Sequence[DeadLetter]], object],
) -> list[str]:
    """Acknowledge those of the oldest `count` dead letters of `queue` that are `chosen`.

    `before` is called with each block of them before it is acknowledged. Until the end all are
    held, so that nobody else settles the same ones; the others then go back to their places.
    Returns the ids of the settled.
    """
    settled: list[str] = []
    held = 0
    channel = link.channel()
    dead = names.dead_queue(queue)
    while count > 0:  # what is given up meanwhile is left for the next time
        found = get_messages(link, channel, dead, min(count, AT_ONCE))
        if not found:
            break
        letters = {each.method.delivery_tag: read(queue, each) for each in found}
        meant = {tag: letter for tag, letter in letters.items() if chosen(letter)}
        if meant:
            before(list(meant.values()))
        with link.translated():
            for tag in meant:
                channel.raw.basic_ack(tag)
        settled += [letter.id for letter in meant.values()]
        held += len(found) - len(meant)
        count -= len(found)
    give_back(link, channel, dead, held)
    return settled
