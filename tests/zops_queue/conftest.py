"""What the tests of this plugin share: each kind of broker, really there."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pika
import pytest

from zcore.testing import broker as stub
from zcore.testing.settings import settings_of
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.embedded.broker import EmbeddedBroker

if TYPE_CHECKING:
    from pathlib import Path

    from pika.adapters.blocking_connection import BlockingChannel

    from zcore.broker import Broker

Connect = Callable[[], "Broker"]


@pytest.fixture(params=["embedded", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
def broker_url(request: pytest.FixtureRequest) -> str:
    """The setting `broker`: the test runs once with each kind."""
    if request.param == "embedded":
        return "embedded"
    url: str = request.getfixturevalue("rabbitmq_url")
    return url


@pytest.fixture
def connect(broker_url: str, tmp_path: Path) -> Iterator[Connect]:
    """Connects to the broker, as often as called; each connection is closed after the test."""
    opened: list[Broker] = []

    def open_another() -> Broker:
        if broker_url == "embedded":
            opened.append(EmbeddedBroker(tmp_path / "queue.db"))
        elif broker_url.startswith("stub:"):
            opened.append(stub.connect(broker_url, settings_of()))
        else:
            opened.append(AmqpBroker(broker_url))
        return opened[-1]

    yield open_another
    for broker in reversed(opened):
        broker.close()


@pytest.fixture
def broker(connect: Connect) -> Broker:
    """One connection to the broker."""
    return connect()


@pytest.fixture
def server(rabbitmq_url: str) -> Iterator[BlockingChannel]:
    """A channel as a Zulip server has it."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    yield connection.channel()
    connection.close()


@pytest.fixture
def amqp(rabbitmq_url: str) -> Iterator[AmqpBroker]:
    """A connection of ours to RabbitMQ."""
    broker = AmqpBroker(rabbitmq_url)
    yield broker
    broker.close()


@pytest.fixture
def queue() -> str:
    """The name of a queue that nobody has used."""
    return f"test_{secrets.token_hex(4)}"
