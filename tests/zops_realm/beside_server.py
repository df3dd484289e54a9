"""A Zulip server, as far as zops has to do with it: database, memcached, RabbitMQ, deployments."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pika
import sqlalchemy as sa

from zcore.database import Database
from zcore.schema.server import django_migrations
from zops_realm.checks import NEWEST_MIGRATION

if TYPE_CHECKING:
    from zcore.testing.commands import Completed, Zops
    from zcore.testing.memcached import MemcachedServer

PREFIXES = (f"{'a' * 32}:", f"{'b' * 32}:")


class BesideServer:
    """The installed command with the organization `acme` in the database of a server.

    The prefixes of the server's cache keys end in `mark`'s digits, so that tests can share one
    memcached.
    """

    def __init__(self, zops: Zops, database_url: str, mark: str) -> None:
        self.zops = zops
        self.prefixes = [f"{prefix[: -len(mark) - 1]}{mark}:" for prefix in PREFIXES]
        self.deployments = zops.folder / "deployments"
        zops.environment |= {"ZOPS_DATABASE": database_url, "ZOPS_EXTERNAL_HOST": "chat.test"}
        zops(
            "create-realm",
            "Acme",
            "olive@a.test",
            "Olive O",
            "--string-id=acme",
            "--no-password",
            "--bare",
        )
        with closing(Database.connect(database_url)) as database, database.begin() as connection:
            row = {"app": "zerver", "name": NEWEST_MIGRATION, "applied": datetime.now(UTC)}
            connection.execute(sa.insert(django_migrations), row)

    def deploy(self) -> None:
        """Make a deployment for each prefix."""
        for prefix in self.prefixes:
            folder = self.deployments / prefix[:4] / "var"
            folder.mkdir(parents=True)
            (folder / "remote_cache_prefix").write_text(prefix)

    def tell(self, memcached: MemcachedServer | None, rabbitmq_url: str, more: str = "") -> None:
        """Tell zops where the server is."""
        if rabbitmq_url:
            self.zops.environment["ZOPS_BROKER"] = rabbitmq_url
        cache = memcached.toml if memcached else ""
        (self.zops.folder / "zops.toml").write_text(
            f'[server]\ndeployments = "{self.deployments}"\n{cache}{more}'
        )

    def create_user(self, name: str, *options: str) -> Completed:
        """Create an account in `acme`."""
        words = (f"{name.lower()}@a.test", f"{name} Lee", "-r", "acme", "--no-password", "--bare")
        return self.zops(*options, "create-user", *words)


def published(rabbitmq_url: str, queue: str) -> list[tuple[dict[str, Any], int]]:
    """What is in a queue, declared as a server declares it: body and delivery mode of each."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    found = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            break
        assert (method.exchange, method.routing_key) == ("", queue)
        found.append((json.loads(body), properties.delivery_mode))
    connection.close()
    return found
