"""What only RabbitMQ does: being used beside a Zulip server, and being away."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from tests.zops_queue.proxy import Proxy
from tests.zops_queue.receiving import FAILURE, receive, until
from zcore.errors import Refused, Unreachable, ZopsError
from zops_queue.amqp import dead_letters, names
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.amqp.link import Link
from zops_queue.amqp.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pika.adapters.blocking_connection import BlockingChannel

    from zcore.broker import DeadLetter


@pytest.fixture
def proxy(rabbitmq_url: str) -> Iterator[Proxy]:
    parts = urlsplit(rabbitmq_url)
    proxy = Proxy(parts.hostname or "", parts.port or 5672)
    yield proxy
    proxy.close()


def through(proxy: Proxy, url: str) -> str:
    """`url`, by way of `proxy`."""
    parts = urlsplit(url)
    return url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{proxy.port}")


def test_the_queue_is_declared_as_the_server_declares_it(
    amqp: AmqpBroker, server: BlockingChannel, queue: str
) -> None:
    amqp.publish(queue, [b"{}"])
    consumer = amqp.consume({queue: 5}, "test")
    (delivery,) = receive(consumer, queue, 1)
    consumer.retry(delivery, 30)
    declared = server.queue_declare(queue, durable=True)  # raises when it is declared otherwise
    assert declared.method.queue == queue


def test_a_published_event_looks_like_the_servers(
    amqp: AmqpBroker, server: BlockingChannel, queue: str
) -> None:
    server.queue_declare(queue, durable=True)
    persistent = pika.BasicProperties(delivery_mode=2)
    server.basic_publish("", queue, b'{"by":"server"}', persistent)
    amqp.publish(queue, [b'{"by":"zops"}'])
    (method, theirs, _), (_, ours, _) = server.basic_get(queue), server.basic_get(queue)
    assert method.exchange == ""
    assert ours == theirs


def test_a_retried_event_survives_a_restart_and_keeps_its_body(
    amqp: AmqpBroker, server: BlockingChannel, queue: str
) -> None:
    amqp.publish(queue, [b'{"n":1}'])
    consumer = amqp.consume({queue: 5}, "test")
    consumer.retry(receive(consumer, queue, 1)[0], 30)
    waiting = names.retry_queue(queue, 30)
    server.queue_declare(waiting, passive=True, durable=True)
    _, properties, body = server.basic_get(waiting, auto_ack=True)
    assert (properties.delivery_mode, body) == (2, b'{"n":1}')
    assert properties.headers[names.ATTEMPTS] == 1


def test_queues_of_ours_are_made_only_when_needed(
    amqp: AmqpBroker, rabbitmq_url: str, queue: str
) -> None:
    amqp.publish(queue, [b"{}"])
    consumer = amqp.consume({queue: 5}, "test")
    receive(consumer, queue, 1)
    ours = [names.dead_queue(queue), *(names.retry_queue(queue, n) for n in names.DELAY_STEPS)]
    assert [amqp.state(name) for name in ours] == [None] * len(ours)


def test_a_long_error_still_fits_into_the_headers(amqp: AmqpBroker, queue: str) -> None:
    from dataclasses import replace

    failure = replace(FAILURE, error="é" * 1_000, traceback="\N{PILE OF POO}" * 10_000)
    amqp.publish(queue, [b"{}"])
    consumer = amqp.consume({queue: 5}, "test")
    consumer.bury(receive(consumer, queue, 1)[0], failure)
    assert amqp.dead_letters(queue, 1)[0].failure == failure


def test_a_queue_that_was_declared_otherwise_is_refused(
    amqp: AmqpBroker, server: BlockingChannel, queue: str
) -> None:
    server.queue_declare(queue, durable=False, exclusive=False)
    with pytest.raises(Refused, match=queue):
        amqp.publish(queue, [b"{}"])
    assert amqp.state(queue) is not None  # the connection is still good
    server.queue_delete(queue)
    assert amqp.publish(queue, [b"{}"]) == 1


def test_many_events_are_published_in_a_pipeline(amqp: AmqpBroker, queue: str) -> None:
    assert amqp.publish(queue, (b'{"n":%d}' % n for n in range(25_000))) == 25_000
    state = amqp.state(queue)
    assert state is not None
    assert state.ready == 25_000


def test_large_events_pass_whole(amqp: AmqpBroker, queue: str) -> None:
    bodies = [bytes([number]) * 3_000_000 for number in range(12)]  # more than the pipeline holds
    amqp.publish(queue, iter(bodies))
    consumer = amqp.consume({queue: 20}, "test")
    assert [each.body for each in receive(consumer, queue, 12)] == bodies


def test_a_lost_connection_is_said_and_loses_nothing(
    proxy: Proxy, rabbitmq_url: str, amqp: AmqpBroker, queue: str
) -> None:
    amqp.publish(queue, [b"1", b"2"])
    broker = AmqpBroker(through(proxy, rabbitmq_url))
    consumer = broker.consume({queue: 5}, "test")
    deliveries = receive(consumer, queue, 2)
    proxy.cut()
    with pytest.raises(Unreachable, match="RabbitMQ at amqp://"):
        consumer.wait(5)
    with pytest.raises(Unreachable):
        consumer.acknowledge(deliveries)
    with pytest.raises(Unreachable):
        broker.publish(queue, [b"3"])
    broker.close()
    again = amqp.consume({queue: 5}, "test")
    assert [(each.body, each.redelivered) for each in receive(again, queue, 2)] == [
        (b"1", True),
        (b"2", True),
    ]


def test_a_connection_lost_while_publishing_says_how_far_it_came(
    proxy: Proxy, rabbitmq_url: str, queue: str
) -> None:
    def bodies() -> Iterator[bytes]:
        yield from [b"{}"] * 500
        proxy.cut()
        yield from [b"{}"] * 50_000

    broker = AmqpBroker(through(proxy, rabbitmq_url))
    with pytest.raises(Unreachable, match=r"after \d+ events were stored and \d+ more"):
        broker.publish(queue, bodies())
    broker.close()


def test_a_deleted_queue_ends_the_delivery(
    amqp: AmqpBroker, server: BlockingChannel, queue: str
) -> None:
    consumer = amqp.consume({queue: 5}, "test")
    server.queue_delete(queue)
    with pytest.raises(Unreachable, match="deleted"):
        consumer.wait(10)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda parts: parts._replace(netloc=f"u:secret-word@127.0.0.1:{parts.port}"), "refused"),
        (lambda parts: parts._replace(path="/no-such-vhost"), "vhost"),
        (lambda parts: parts._replace(netloc="u:secret-word@127.0.0.1:1"), "Connection refused"),
        (lambda parts: parts._replace(scheme="amqps"), "encrypted"),
    ],
    ids=["password", "vhost", "port", "tls"],
)
def test_why_there_is_no_connection(rabbitmq_url: str, change: object, said: str) -> None:
    assert callable(change)
    url = change(urlsplit(rabbitmq_url)).geturl()
    with pytest.raises(Unreachable, match=said) as caught:
        AmqpBroker(url)
    password = urlsplit(url).password
    assert password
    assert password not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("url", ["amqp://h:port", "amqp://h/?nonsense=1", "amqp://user@h"])
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ZopsError) as caught:
        AmqpBroker(url)
    assert isinstance(caught.value, Refused)
    assert "broker" in caught.value.message


def test_an_event_without_a_queue_is_not_lost_in_silence(
    amqp: AmqpBroker, server: BlockingChannel, queue: str
) -> None:
    amqp.declare(queue)
    server.queue_delete(queue)
    with pytest.raises(Unreachable, match="no queue"):
        amqp.publish(queue, [b"{}"])
    with pytest.raises(ChannelClosedByBroker):
        server.queue_declare(queue, passive=True)


def test_a_replay_cut_off_before_it_acknowledges_loses_nothing(
    amqp: AmqpBroker, proxy: Proxy, rabbitmq_url: str, queue: str
) -> None:
    amqp.publish(queue, [b'{"n":1}', b'{"n":2}'])
    consumer = amqp.consume({queue: 5}, "test")
    for delivery in receive(consumer, queue, 2):
        consumer.bury(delivery, FAILURE)
    consumer.close()
    link = Link(through(proxy, rabbitmq_url), "the proxy")

    def publish_and_lose_the_connection(letters: Sequence[DeadLetter]) -> None:
        amqp.publish(queue, [letter.body for letter in letters])
        proxy.cut()

    with pytest.raises(Unreachable):
        dead_letters.settle(
            link, Publisher(link), queue, 2, lambda _: True, publish_and_lose_the_connection
        )
    link.close()
    until(lambda: len(amqp.dead_letters(queue, 9)) == 2)
    assert sorted(each.body for each in amqp.peek(queue, 9)) == [b'{"n":1}', b'{"n":2}']
