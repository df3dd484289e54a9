"""No event is lost, whatever dies; with a lease none has its effect twice."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.zops_queue.chaos import LEASED, PLAIN, PREFETCH, Chaos
from tests.zops_queue.proxy import Proxy
from zcore.testing.rabbitmq import PrivateRabbitMQ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zcore.database import Database
    from zcore.testing.commands import Zops
    from zcore.testing.plugins import TemporaryPlugins
    from zcore.testing.rabbitmq import RabbitMQServer

EVENTS = 2_500  # on each of two queues


def assert_nothing_lost(chaos: Chaos, faults: Mapping[str, int]) -> None:
    effects = chaos.effects()
    assert [each.missing for each in effects.values()] == [0, 0]
    assert effects[PLAIN].repeated <= PREFETCH * sum(faults.values())
    assert effects[LEASED].repeated == 0
    assert [(each["ready"], each["delayed"], each["dead"]) for each in chaos.left()] == [
        (0, 0, 0)
    ] * 2


@pytest.mark.postgres
@pytest.mark.rabbitmq
def test_workers_are_killed_and_the_broker_goes_away(
    zops: Zops,
    temporary_plugins: TemporaryPlugins,
    postgres_database: Database,
    rabbitmq_server: RabbitMQServer,
    rabbitmq_url: str,
) -> None:
    parts = urlsplit(rabbitmq_url)
    proxy = Proxy(parts.hostname or "", parts.port or 0)
    zops.environment["ZOPS_BROKER"] = rabbitmq_url.replace(f":{parts.port}/", f":{proxy.port}/")
    chaos = Chaos(zops, temporary_plugins, postgres_database, EVENTS, seed=1)
    faults = {"kill": 5, "cut": 3}
    others = {"cut": lambda: (proxy.cut(), proxy.mend())}
    if isinstance(rabbitmq_server, PrivateRabbitMQ):
        faults["restart"] = 1
        others["restart"] = rabbitmq_server.restart  # type: ignore[assignment] # any call
    chaos.run(faults, others)
    assert_nothing_lost(chaos, faults)
    proxy.close()


def test_workers_are_killed_without_a_server(
    zops: Zops, temporary_plugins: TemporaryPlugins, sqlite_database: Database
) -> None:
    chaos = Chaos(zops, temporary_plugins, sqlite_database, EVENTS // 5, seed=1)
    chaos.run({"kill": 4}, {})
    assert_nothing_lost(chaos, {"kill": 4})
