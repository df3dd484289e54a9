"""Taking events out of RabbitMQ: prefetch, acknowledgements, retries, dead letters."""

from __future__ import annotations

import time
import uuid
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

from zcore.broker import Delivery, Failure, utc_now
from zcore.errors import Unreachable
from zops_queue.amqp import names
from zops_queue.amqp.publisher import Message
from zops_queue.amqp.standins import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zops_queue.amqp.link import Link
    from zops_queue.amqp.standins import StandIns

SECONDS_BETWEEN_LOOKS = 0.001  # less than any work takes that is written down somewhere


class AmqpConsumer:
    """See `zcore.broker.Consumer`. One channel, one consumer on it for each queue."""

    def __init__(
        self,
        link: Link,
        standins: StandIns,
        declare: Callable[[str, Mapping[str, object]], None],
        prefetch: Mapping[str, int],
        label: str,
    ) -> None:
        self._link = link
        self._standins = standins
        self._declare = declare
        self._channel = link.channel()
        self._fetched: dict[str, deque[Delivery]] = {queue: deque() for queue in prefetch}
        self._unsettled: dict[int, None] = {}  # delivery tags, oldest first
        self._next_look = 0.0
        self._came = False  # has anything come since somebody began to wait?
        self._cancelled = ""
        self._channel.raw.add_on_cancel_callback(self._was_cancelled)
        for queue, most in prefetch.items():
            self._start(queue, most, label)

    def wait(self, seconds: float) -> None:
        """Let deliveries come in, and what is to be sent go out.

        Who does not want to wait, and has something to do, is not kept for that each time.
        """
        now = time.monotonic()
        if not seconds and now < self._next_look and any(self._fetched.values()):
            return
        self._standins.go_on(self._settle)
        deadline = now + seconds
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        self._came = False
        while True:
            self._link.wait(max(0.0, deadline - time.monotonic()))
            self._check()
            if self._came or time.monotonic() >= deadline:
                return

    def held(self, queue: str) -> int:
        """Fetched and not taken yet."""
        return len(self._fetched[queue])

    def take(self, queue: str, most: int) -> Sequence[Delivery]:
        """The oldest fetched deliveries."""
        fetched = self._fetched[queue]
        return [fetched.popleft() for _ in range(min(most, len(fetched)))]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """One acknowledgement for all when they are the oldest, as they usually are."""
        self._check()
        tags = {delivery.tag for delivery in deliveries}
        if not tags:
            return
        with self._link.translated():
            if tags == set(islice(self._unsettled, len(tags))):
                self._link.acknowledge(self._channel, max(tags), multiple=True)
            else:
                for tag in sorted(tags):
                    self._link.acknowledge(self._channel, tag, multiple=False)
        for tag in tags:
            self._unsettled.pop(tag, None)

    def retry(self, delivery: Delivery, seconds: float) -> None:
        """Park it, with what it has been through in its headers."""
        headers = {
            names.ATTEMPTS: delivery.attempts + 1,
            names.FIRST_SEEN: (delivery.first_seen or utc_now()).isoformat(),
        }
        self._park(delivery, seconds, headers)

    def postpone(self, delivery: Delivery, seconds: float) -> None:
        """Park it, with what was known of it."""
        headers: dict[str, object] = {}
        if delivery.attempts:
            headers[names.ATTEMPTS] = delivery.attempts
        if delivery.first_seen:
            headers[names.FIRST_SEEN] = delivery.first_seen.isoformat()
        if delivery.redelivered:
            headers[names.BEGUN] = True
        self._park(delivery, seconds, headers)

    def _park(self, delivery: Delivery, seconds: float, headers: Mapping[str, object]) -> None:
        """Put a copy in a retry queue, then acknowledge: twice is better than not at all."""
        step = names.step_for(seconds)
        waiting = names.retry_queue(delivery.queue, step)
        message = Message(waiting, delivery.body, headers=headers, seconds=min(seconds, step))
        self._replace(delivery, message, names.retry_arguments(delivery.queue, step))

    def bury(self, delivery: Delivery, failure: Failure) -> None:
        """Put a copy into the dead letters, then acknowledge."""
        dead = names.dead_queue(delivery.queue)
        message = Message(dead, delivery.body, headers=headers_of(failure), id=uuid.uuid4().hex)
        self._replace(delivery, message, {})

    @property
    def trouble(self) -> str:
        """RabbitMQ is short of memory or disk, or refuses our queue beside this one."""
        return self._standins.trouble

    def close(self) -> None:
        """Close the channel: RabbitMQ takes back what was not settled."""
        self._channel.close()

    def _start(self, queue: str, most: int, label: str) -> None:
        raw, fetched = self._channel.raw, self._fetched[queue]
        self._declare(queue, {})
        self._channel.call(raw.basic_qos, prefetch_count=most)

        def take(
            tag: int, redelivered: bool, headers: Mapping[str, object] | None, body: bytes
        ) -> None:
            self._came = True
            self._unsettled[tag] = None
            fetched.append(_delivery(queue, tag, redelivered, headers, body))

        def deliver(_channel: object, method: Any, properties: Any, body: bytes) -> None:
            take(method.delivery_tag, method.redelivered, properties.headers, body)

        consumer_tag = f"{label}.{queue}.{uuid.uuid4().hex[:8]}"
        self._link.hand_over(self._channel, consumer_tag, take)
        self._channel.call(raw.basic_consume, queue, deliver, consumer_tag=consumer_tag)

    def _replace(
        self, delivery: Delivery, message: Message, arguments: Mapping[str, object]
    ) -> None:
        """Have `message`, in its queue with these `arguments`, take the place of `delivery`."""
        self._standins.put(StandIn(message, arguments, delivery))
        self._standins.go_on(self._settle)

    def _settle(self, delivery: Delivery) -> None:
        self.acknowledge([delivery])

    def _was_cancelled(self, _frame: object) -> None:
        self._cancelled = f"{self._link.name} ended the delivery: a queue was deleted"

    def _check(self) -> None:
        self._channel.check()
        if self._cancelled:
            raise Unreachable(self._cancelled)


def _delivery(
    queue: str, tag: int, redelivered: bool, headers: Mapping[str, object] | None, body: bytes
) -> Delivery:
    if not headers:
        return Delivery(queue=queue, body=body, tag=tag, redelivered=redelivered)
    return Delivery(
        queue=queue,
        body=body,
        tag=tag,
        attempts=names.count_of(headers, names.ATTEMPTS),
        redelivered=redelivered or bool(headers.get(names.BEGUN)),
        first_seen=names.time_of(headers, names.FIRST_SEEN),
    )


def headers_of(failure: Failure) -> dict[str, object]:
    """A failure as the headers of a dead letter."""
    seen = {names.FIRST_SEEN: failure.first_seen.isoformat()} if failure.first_seen else {}
    return {
        **seen,
        names.ATTEMPTS: failure.attempts,
        names.ERROR: failure.error,
        names.TRACEBACK: failure.traceback,
        names.HOST: failure.host,
        names.WORKER: failure.worker,
        names.TIME: failure.time.isoformat(),
    }
