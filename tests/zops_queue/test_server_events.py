"""Events as a Zulip server publishes them, with its publisher and consumer on the same queues."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pika
import pytest
import sqlalchemy as sa

from tests.zops_queue.receiving import until
from tests.zops_queue.worker_events import people
from zcore.schema.activity import zerver_client, zerver_useractivity, zerver_useractivityinterval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pika.adapters.blocking_connection import BlockingChannel

    from zcore.database import Database
    from zcore.testing.commands import Zops

TIME = 1_700_000_000
EVENTS = 150


class ServerPublisher:
    """Publishes as a server does: declares once, compact JSON, persistent, nothing else."""

    def __init__(self, url: str) -> None:
        self.connection = pika.BlockingConnection(pika.URLParameters(url))
        self.channel: BlockingChannel = self.connection.channel()
        self._declared: set[str] = set()

    def declare(self, queue: str) -> None:
        """Durable, not exclusive, not deleted by itself, no arguments."""
        if queue not in self._declared:
            self.channel.queue_declare(queue=queue, durable=True)
            self._declared.add(queue)

    def publish(self, queue: str, event: object) -> None:
        self.declare(queue)
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        self.channel.basic_publish(
            exchange="",
            routing_key=queue,
            properties=pika.BasicProperties(delivery_mode=2),
            body=body,
        )


@pytest.fixture
def server(rabbitmq_url: str, zops: Zops) -> Iterator[ServerPublisher]:
    zops.environment["ZOPS_BROKER"] = rabbitmq_url
    publisher = ServerPublisher(rabbitmq_url)
    yield publisher
    publisher.connection.close()


def activities(database: Database) -> Iterator[tuple[str, dict[str, object]]]:
    """Events of two queues, and from which: as the server's own code makes them."""
    user = people(database)[0]
    with database.read() as connection:
        client = connection.execute(sa.select(sa.func.min(zerver_client.c.id))).scalar_one()
    for number in range(EVENTS):
        who: dict[str, object] = {"user_profile_id": user}
        query = f"get_ünread_{number % 3}"
        yield "user_activity", who | {"client_id": client, "query": query, "time": TIME + number}
        yield "user_activity_interval", who | {"time": TIME + number}


@pytest.mark.rabbitmq
def test_what_a_server_publishes_has_its_effect(
    server: ServerPublisher, zops: Zops, sqlite_database: Database
) -> None:
    zops.on(sqlite_database)
    for queue, event in activities(sqlite_database):
        server.publish(queue, event)
    words = ("process-queue", "user_activity", "user_activity_interval", "--drain")
    done = zops("--json", *words).json()
    assert (done["processed"], done["retried"], done["dead"]) == (2 * EVENTS, 0, 0)
    with sqlite_database.read() as connection:
        columns = (zerver_useractivity.c.query, zerver_useractivity.c.count)
        counted = connection.execute(sa.select(*columns).order_by(columns[0])).all()
        intervals = connection.execute(sa.select(zerver_useractivityinterval)).all()
    assert [tuple(row) for row in counted] == [
        (f"get_ünread_{number}", EVENTS // 3) for number in range(3)
    ]
    assert len(intervals) == 1


@pytest.mark.rabbitmq
def test_a_server_goes_on_publishing_and_consuming_beside_zops(
    server: ServerPublisher, rabbitmq_url: str, zops: Zops, sqlite_database: Database
) -> None:
    """Whoever declares a queue first, the other one's declaration is the same."""
    zops.on(sqlite_database)
    events = [event for queue, event in activities(sqlite_database) if queue == "user_activity"]
    worker = zops.start("process-queue", "user_activity")
    listed = ("--json", "queue", "stats", "user_activity")
    until(lambda: any(each["consumers"] for each in zops(*listed).json()["queues"]), 60)
    taken = 0
    server.declare("user_activity")
    server.channel.basic_qos(prefetch_count=1)
    for event in events:
        server.publish("user_activity", event)
    for method, _, _ in server.channel.consume("user_activity", inactivity_timeout=0.5):
        if method is None:
            break
        server.channel.basic_ack(method.delivery_tag)
        taken += 1
    server.channel.cancel()

    def had() -> int:
        total = sa.select(sa.func.sum(zerver_useractivity.c.count))
        with sqlite_database.read() as connection:
            return int(connection.execute(total).scalar() or 0)

    until(lambda: had() + taken == EVENTS, 60)
    worker.terminate()
    worker.communicate(timeout=60)
    assert worker.returncode == 0
