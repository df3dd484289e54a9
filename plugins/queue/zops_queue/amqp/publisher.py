"""Publishing to RabbitMQ, with confirmations in a pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pika
from pika import spec

from zcore.errors import Refused, Unreachable, ZopsError
from zops_queue.amqp.errors import blocked_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zops_queue.amqp.link import Link

# RabbitMQ writes to disk several times a second and confirms all at once what it has written, so
# the pipeline must hold what is published in between.
UNCONFIRMED_EVENTS = 10_000
UNCONFIRMED_BYTES = 16 * 1024 * 1024
EVENTS_BETWEEN_LOOKS = 200
PERSISTENT = 2
SECONDS_TO_CONFIRM = 120.0


@dataclass(frozen=True, slots=True)
class Message:
    """A persistent message to a queue. `seconds` to live, and an `id`, only if they matter."""

    queue: str
    body: bytes
    headers: Mapping[str, object] = field(default_factory=dict)
    seconds: float | None = None
    id: str | None = None

    def properties(self) -> pika.BasicProperties:
        """As AMQP wants them; without headers just as the server's own messages."""
        return pika.BasicProperties(
            delivery_mode=PERSISTENT,
            headers=dict(self.headers) or None,
            expiration=None if self.seconds is None else str(int(self.seconds * 1000)),
            message_id=self.id,
        )


class Publisher:
    """A channel in confirm mode; another one after RabbitMQ has closed it.

    Every call may raise `Unreachable`; and `Refused` when RabbitMQ is there, and does not take a
    message: it is too large, its queue full, or we have no permission.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open()

    def _open(self) -> None:
        self._channel = self._link.channel()
        self._channel.call(self._channel.raw.confirm_delivery, self._confirmed)
        self._channel.raw.add_on_return_callback(self._returned)
        self._sent = 0
        self._waiting: dict[int, int] = {}  # number of the message: its bytes, oldest first
        self._waiting_bytes = 0
        self._refused = 0  # of those sent since the last call began
        self._queue = ""  # of the last one
        self._trouble: ZopsError | None = None

    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        """Send events to `queue`, none with headers; return how many, all of them stored."""
        properties = Message(queue, b"").properties()
        return self._send_all((queue, body, properties) for body in bodies)

    def begin(self, message: Message) -> None:
        """Send one message, and do not wait for it."""
        self._begin_anew()
        self._send(message.queue, message.body, message.properties())

    def has_stored(self) -> bool:
        """Is all that was sent stored? Waits for that, unless RabbitMQ takes nothing just now."""
        self._link.wait(0)
        self._link.wait_until(
            lambda: self._all_confirmed() or self._link.is_blocked, SECONDS_TO_CONFIRM
        )
        return self._all_confirmed()

    @property
    def trouble(self) -> str:
        """Why RabbitMQ takes nothing just now; "" when it does."""
        return blocked_error(self._link.name).message if self._link.is_blocked else ""

    def send_all(self, messages: Iterable[Message]) -> int:
        """Send messages; return how many, all of them stored."""
        return self._send_all((each.queue, each.body, each.properties()) for each in messages)

    def _send_all(self, messages: Iterable[tuple[str, bytes, Any]]) -> int:
        self._begin_anew()
        before = self._sent
        try:
            for queue, body, properties in messages:
                self._send(queue, body, properties)
            self._link.wait_until(self._all_confirmed, SECONDS_TO_CONFIRM)
        except (Refused, Unreachable) as error:
            raise self._interrupted(error, before) from error
        self._check()
        return self._sent - before

    def _begin_anew(self) -> None:
        """What became of earlier messages has been said."""
        if self._channel.closed is not None:
            self._open()
        self._refused, self._trouble = 0, None

    def _send(self, queue: str, body: bytes, properties: object) -> None:
        self._channel.check()
        self._queue = queue
        with self._link.translated():
            self._channel.raw.basic_publish("", queue, body, properties, mandatory=True)
            self._sent += 1  # before its confirmation can come
            self._waiting[self._sent] = len(body)
            self._waiting_bytes += len(body)
        if self._sent % EVENTS_BETWEEN_LOOKS == 0:
            self._link.wait(0)
            self._check()
        if self._full():
            self._link.wait_until(self._has_room, SECONDS_TO_CONFIRM)

    def _full(self) -> bool:
        return len(self._waiting) >= UNCONFIRMED_EVENTS or self._waiting_bytes >= UNCONFIRMED_BYTES

    def _has_room(self) -> bool:
        self._check()
        return not self._full()

    def _all_confirmed(self) -> bool:
        self._check()
        return not self._waiting

    def _check(self) -> None:
        self._channel.check()
        if self._trouble is not None:
            raise self._trouble

    def _confirmed(self, frame: Any) -> None:
        """RabbitMQ has stored a message, or (`multiple`) all up to it, or could not."""
        confirmed = frame.method
        numbers = list(self._up_to(confirmed.delivery_tag, confirmed.multiple))
        for number in numbers:
            self._waiting_bytes -= self._waiting.pop(number, 0)
        if isinstance(confirmed, spec.Basic.Nack):
            self._refused += len(numbers)
            self._trouble = Refused(
                f"{self._link.name} did not take an event for {self._queue!r}:"
                " the queue is full, or could not store it",
                hint="'rabbitmqctl list_policies' shows whether its length is limited",
            )

    def _up_to(self, tag: int, multiple: bool) -> Iterator[int]:
        if not multiple:
            yield tag
            return
        for number in self._waiting:
            if number > tag:
                return
            yield number

    def _returned(self, _channel: object, method: Any, *_rest: object) -> None:
        self._trouble = Unreachable(
            f"{self._link.name} did not take an event:"
            f" there is no queue {method.routing_key!r} any more"
        )

    def _interrupted(self, error: Refused | Unreachable, before: int) -> ZopsError:
        """`error`, and how far what is published had come by then, where that was many."""
        sent = self._sent - before
        message = error.message
        if sent > 1 or (sent and isinstance(error, Unreachable)):
            stored = max(0, sent - len(self._waiting) - self._refused)
            message += (
                f", after {stored} events were stored and {sent - stored} more were under way"
            )
        return type(error)(message, hint=error.hint, code=error.code)
