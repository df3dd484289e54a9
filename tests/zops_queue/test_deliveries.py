"""Deliveries from RabbitMQ, read where they stand, or left to pika: whatever they look like."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pika
import pytest

from tests.zops_queue.receiving import receive
from zops_queue.amqp import names
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.amqp.deliveries import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_SEEN = datetime(2025, 1, 31, 12, 30, tzinfo=UTC)
ON_DATA = "_on_data_available"

# as the server's, as ours, as a stranger's
PROPERTIES = (
    pika.BasicProperties(delivery_mode=2),
    pika.BasicProperties(
        delivery_mode=2, headers={names.ATTEMPTS: 3, names.FIRST_SEEN: FIRST_SEEN.isoformat()}
    ),
    pika.BasicProperties(content_type="application/json", timestamp=1, message_id="x", priority=1),
    pika.BasicProperties(),
)
SIZES = (0, 1, 17, 4_096, 131_064, 131_065, 400_000)  # bytes; a frame has room for 131,064


@pytest.fixture
def stranger(rabbitmq_url: str) -> Iterator[Any]:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    yield connection.channel()
    connection.close()


@pytest.mark.parametrize("at_once", [None, 1, 100])
def test_every_delivery_comes_whole_however_its_bytes_come(
    rabbitmq_url: str, stranger: Any, queue: str, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    stranger.queue_declare(queue, durable=True)
    sizes = SIZES if at_once != 1 else SIZES[:4]
    bodies = [bytes([65 + size % 7]) * size for size in sizes]
    for body in bodies:
        for properties in PROPERTIES:
            stranger.basic_publish("", queue, body, properties)
    stranger.queue_declare(queue, passive=True)  # the answer comes after all of them
    if at_once:
        bit_by_bit(monkeypatch, at_once)

    broker = AmqpBroker(rabbitmq_url)
    consumer = broker.consume({queue: 100}, "test")
    found = receive(consumer, queue, len(bodies) * len(PROPERTIES))
    assert [each.body for each in found] == [body for body in bodies for _ in PROPERTIES]
    assert [each.tag for each in found] == list(range(1, len(found) + 1))
    assert [(each.attempts, each.first_seen) for each in found[:4]] == [
        (0, None),
        (3, FIRST_SEEN),
        (0, None),
        (0, None),
    ]
    assert not any(each.redelivered for each in found)
    broker.close()

    again = AmqpBroker(rabbitmq_url)
    assert receive(again.consume({queue: 1}, "test"), queue, 1)[0].redelivered
    again.close()


def test_ordinary_deliveries_are_not_left_to_pika(
    rabbitmq_url: str, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[bytes] = []
    leave = pika.SelectConnection._on_data_available  # what is replaced

    def noting(self: Connection, data: bytes) -> None:
        left.append(data)
        leave(self, data)

    monkeypatch.setattr(pika.SelectConnection, ON_DATA, noting)
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, [b"{}"] * 500)
    consumer = broker.consume({queue: 500}, "test")
    left.clear()
    receive(consumer, queue, 500)
    assert len(left) < 3
    broker.close()


def bit_by_bit(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """From now on, what is received comes in pieces of so many bytes."""
    receive_all = Connection._on_data_available  # what is replaced

    def in_pieces(self: Connection, data: bytes) -> None:
        for start in range(0, len(data), at_once):
            receive_all(self, data[start : start + at_once])

    monkeypatch.setattr(Connection, ON_DATA, in_pieces)


@pytest.mark.rabbitmq
def test_deliveries_are_signs_of_life(rabbitmq_url: str, queue: str) -> None:
    """pika ends a connection on which no byte has come for a while."""
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, [b"x" * 1000] * 5)
    connection = broker._link._connection
    before = connection.bytes_received
    receive(broker.consume({queue: 10}, "test"), queue, 5)
    assert connection.bytes_received - before > 5000
    broker.close()
