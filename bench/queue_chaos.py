"""Kill workers, restart RabbitMQ, cut connections: python -m bench.queue_chaos

100,000 numbered events on two queues go through a worker that is killed 50 times, with RabbitMQ
restarted 5 times and its connections cut 20 times, at random moments. Each event must have its
effect; no more than the prefetch for each fault may have it twice, and with a lease none. Exit
code 1 when that is not so.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from bench.queue import closing_broker
from bench.queue_place import temporary_folder
from bench.running import new_database, postgres_server, table
from tests.zops_queue.chaos import LEASED, PREFETCH, Chaos, Effects
from tests.zops_queue.proxy import Proxy
from zcore.database import Database, parse_url
from zcore.testing.commands import Zops
from zcore.testing.plugins import TemporaryPlugins


def is_kept(queue: str, effects: Effects, faults: int) -> bool:
    """Is it as promised?"""
    allowed = 0 if queue == LEASED else PREFETCH * faults
    return not effects.missing and effects.repeated <= allowed


def run(home: Path, database: str, faults: dict[str, int], events: int, seed: int) -> bool:
    """All of it, on a RabbitMQ of our own; is everything as promised?"""
    began = time.monotonic()
    with closing_broker() as broker, closing(Database(parse_url(database))) as connected:
        parts = urlsplit(broker.new_vhost_url())
        proxy = Proxy(parts.hostname or "", parts.port or 0)
        zops = Zops(home, timeout=600)
        zops.environment["ZOPS_BROKER"] = parts.geturl().replace(
            f":{parts.port}/", f":{proxy.port}/"
        )
        plugins = TemporaryPlugins(home / "site", zops.environment)
        chaos = Chaos(zops, plugins, connected, events // 2, seed)

        def tell(fault: str) -> None:
            print(f"{time.monotonic() - began:7.1f} s  {fault}", file=sys.stderr)

        others = {"restart": broker.restart, "cut": lambda: (proxy.cut(), proxy.mend())}
        effects = chaos.run(faults, others, tell)
        left = {each["queue"]: each for each in chaos.left()}
        proxy.close()
    many = sum(faults.values())
    kept = {queue: is_kept(queue, found, many) for queue, found in effects.items()}
    rows = [
        (
            queue,
            f"{found.events:,}",
            str(found.missing),
            str(found.repeated),
            str(left[queue]["dead"]),
            "ok" if kept[queue] else "NOT KEPT",
        )
        for queue, found in effects.items()
    ]
    print(", ".join(f"{times} times {fault}" for fault, times in faults.items()))
    print(table(("", "events", "without effect", "effects too many", "dead letters", ""), rows))
    print(f"{time.monotonic() - began:.0f} s, prefetch {PREFETCH}, seed {seed}")
    return all(kept.values())


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.queue_chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    faults = {"kill": words.kills, "restart": words.restarts, "cut": words.cuts}
    with temporary_folder() as folder, postgres_server() as server:
        home = Path(folder)
        with new_database(server, home) as database:
            kept = run(home, database, faults, words.events, words.seed)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
