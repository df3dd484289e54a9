"""RabbitMQ as a broker: see `zcore.broker.Broker` for what each call means."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from zcore.broker import Delivery, QueueState
from zcore.text import mask_passwords
from zops_queue.amqp import dead_letters, names
from zops_queue.amqp.consumer import AmqpConsumer
from zops_queue.amqp.getting import get_messages, give_back
from zops_queue.amqp.link import Channel, Link, NoSuchQueue
from zops_queue.amqp.publisher import Message, Publisher
from zops_queue.amqp.standins import StandIns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zcore.broker import Choice, DeadLetter
    from zcore.settings import Settings
    from zops_queue.amqp.getting import Got

MOVED_AT_ONCE = 500


def connect(url: str, settings: Settings) -> AmqpBroker:
    """The RabbitMQ at `url`."""
    return AmqpBroker(url)


class AmqpBroker:
    """One connection to RabbitMQ; once it consumes, another one for what is published."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._link = Link(url, f"RabbitMQ at {mask_passwords(url)}")
        self._publishing: Link | None = None
        self._consumes = False
        self._declared: set[str] = set()

    @property
    def name(self) -> str:
        """The URL with its password masked."""
        return self._link.name

    def declare(self, queue: str) -> None:
        """Durable and without arguments, exactly as the server declares it."""
        self._declare(queue, {})

    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        """Persistent messages through the default exchange, as the server's own."""
        self.declare(queue)
        return self._publisher.publish(queue, bodies)

    def consume(self, prefetch: Mapping[str, int], label: str) -> AmqpConsumer:
        """One channel; its prefetch is counted for each queue."""
        self._consumes = True
        # a channel of its own: RabbitMQ closes one over which too much is published
        standins = StandIns(lambda: Publisher(self._publishing_link()), self._declare)
        return AmqpConsumer(self._link, standins, self._declare, prefetch, label)

    def queues(self) -> Sequence[str]:
        """AMQP has no way to ask for the names of queues."""
        return ()

    def state(self, queue: str) -> QueueState | None:
        """Counts, asked queue by queue. The delayed come first: then they can only be moved on."""
        steps = [self._look(names.retry_queue(queue, step)) for step in names.DELAY_STEPS]
        dead = self._look(names.dead_queue(queue))
        found = self._look(queue)
        if found is None:
            return None
        return QueueState(
            queue=queue,
            ready=found.message_count,
            delayed=sum(step.message_count for step in steps if step),
            dead=dead.message_count if dead else 0,
            consumers=found.consumer_count,
        )

    def peek(self, queue: str, most: int) -> Sequence[Delivery]:
        """Get messages and put them back: RabbitMQ marks them as redelivered."""
        return [
            Delivery(
                queue=queue,
                body=body,
                tag=method.delivery_tag,
                attempts=names.count_of(properties.headers, names.ATTEMPTS),
                redelivered=method.redelivered,
                first_seen=names.time_of(properties.headers, names.FIRST_SEEN),
            )
            for method, properties, body in self._peek(queue, most)
        ]

    def dead_letters(self, queue: str, most: int) -> Sequence[DeadLetter]:
        """As `peek`, of the dead letters."""
        found = self._peek(names.dead_queue(queue), most)
        return [dead_letters.read(queue, message) for message in found]

    def replay(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Publish the events again and, when RabbitMQ has confirmed them, forget the letters."""
        return self._settle_dead_letters(
            queue, chosen, lambda letters: self.publish(queue, [each.body for each in letters])
        )

    def drop(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Acknowledge the letters."""
        return self._settle_dead_letters(queue, chosen)

    def hasten(self, queue: str, seconds: float) -> None:
        """Move what waits in the longer retry queues to a shorter one."""
        short = names.step_for(seconds)
        target = names.retry_queue(queue, short)
        for step in names.DELAY_STEPS:
            source = names.retry_queue(queue, step)
            if step > short and (found := self._look(source)) and found.message_count:
                self._declare(target, names.retry_arguments(queue, short))
                self._move(source, target, found.message_count, seconds)

    def purge(self, queue: str) -> int:
        """Purge the queue and its retry queues."""
        purged = 0
        for name in [queue, *(names.retry_queue(queue, step) for step in names.DELAY_STEPS)]:
            if self._look(name):
                purged += self._control.call(self._control.raw.queue_purge, name).message_count
        return purged

    def close(self) -> None:
        """Close the connections."""
        if self._publishing is not None:
            self._publishing.close()
        self._link.close()

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(self._publishing_link())

    def _publishing_link(self) -> Link:
        """RabbitMQ blocks what publishes when it is short of memory: never acknowledgements."""
        if not self._consumes:
            return self._link
        if self._publishing is None:
            self._publishing = Link(self._url, self._link.name, patient=True)
        return self._publishing

    @cached_property
    def _control(self) -> Channel:
        """The channel for questions. RabbitMQ closes it when it answers no."""
        return self._link.channel()

    def _declare(self, queue: str, arguments: Mapping[str, object]) -> None:
        if queue not in self._declared:
            self._call(queue, durable=True, arguments=arguments)
            self._declared.add(queue)

    def _look(self, queue: str) -> Any:
        """How full a queue is, as RabbitMQ answers; None when it is not there."""
        try:
            return self._call(queue, passive=True)
        except NoSuchQueue:
            return None

    def _call(self, queue: str, **options: object) -> Any:
        try:
            return self._control.call(self._control.raw.queue_declare, queue, **options)
        finally:
            if self._control.closed:
                del self._control

    def _settle_dead_letters(
        self,
        queue: str,
        chosen: Choice,
        before: Callable[[Sequence[DeadLetter]], object] = lambda _: None,
    ) -> Sequence[str]:
        found = self._look(names.dead_queue(queue))
        if not found:
            return ()
        return dead_letters.settle(
            self._link, self._publisher, queue, found.message_count, chosen, before
        )

    def _peek(self, queue: str, most: int) -> list[Got]:
        if self._look(queue) is None:
            return []
        channel = self._link.channel()
        found = get_messages(self._link, channel, queue, most)
        give_back(self._link, channel, queue, len(found))
        return found

    def _move(self, source: str, target: str, count: int, seconds: float) -> None:
        channel = self._link.channel()
        while count > 0:
            found = get_messages(self._link, channel, source, min(count, MOVED_AT_ONCE))
            if not found:
                break
            self._publisher.send_all(
                Message(target, body, headers=properties.headers or {}, seconds=seconds)
                for _, properties, body in found
            )
            with self._link.translated():
                channel.raw.basic_ack(found[-1][0].delivery_tag, multiple=True)
            count -= len(found)
        channel.close()
