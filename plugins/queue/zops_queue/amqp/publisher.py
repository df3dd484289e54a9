"""Publishing to RabbitMQ, with confirmations in a pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pika
from pika import spec

from zcore.errors import Unreachable, ZopsError
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
    """A channel in confirm mode."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel = link.channel()
        self._channel.call(self._channel.raw.confirm_delivery, self._confirmed)
        self._channel.raw.add_on_return_callback(self._returned)
        self._sent = 0
        self._waiting: dict[int, int] = {}  # number of the message: its bytes, oldest first
        self._waiting_bytes = 0
        self._trouble = ""

    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        """Send events to `queue`, none with headers; return how many, all of them stored."""
        properties = Message(queue, b"").properties()
        return self._send_all((queue, body, properties) for body in bodies)

    def begin(self, message: Message) -> None:
        """Send one message, and do not wait for it."""
        self._trouble = ""
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
        before = self._sent
        self._trouble = ""
        try:
            for queue, body, properties in messages:
                self._send(queue, body, properties)
            self._link.wait_until(self._all_confirmed, SECONDS_TO_CONFIRM)
        except Unreachable as error:
            raise self._interrupted(error, before) from error
        self._check()
        return self._sent - before

    def _send(self, queue: str, body: bytes, properties: object) -> None:
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
        if self._trouble:
            raise Unreachable(f"{self._link.name} did not take an event: {self._trouble}")

    def _confirmed(self, frame: Any) -> None:
        """RabbitMQ has stored a message, or (`multiple`) all up to it, or could not."""
        confirmed = frame.method
        if isinstance(confirmed, spec.Basic.Nack):
            self._trouble = "it could not store them"
        for number in list(self._up_to(confirmed.delivery_tag, confirmed.multiple)):
            self._waiting_bytes -= self._waiting.pop(number, 0)

    def _up_to(self, tag: int, multiple: bool) -> Iterator[int]:
        if not multiple:
            yield tag
            return
        for number in self._waiting:
            if number > tag:
                return
            yield number

    def _returned(self, _channel: object, method: Any, *_rest: object) -> None:
        self._trouble = f"there is no queue {method.routing_key!r} any more"

    def _interrupted(self, error: ZopsError, before: int) -> Unreachable:
        sent = self._sent - before
        if not sent:
            return Unreachable(error.message, hint=error.hint)
        stored = max(0, sent - len(self._waiting))
        return Unreachable(
            f"{error.message}, after {stored} events were stored"
            f" and {sent - stored} more were under way",
            hint=error.hint,
        )
