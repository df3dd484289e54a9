"""Numbered events, workers that are killed, a broker that goes away: for tests and `bench/`."""

from __future__ import annotations

import json
import os
import random
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tests.zops_queue.receiving import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence

    from zcore.database import Database
    from zcore.testing.commands import Zops
    from zcore.testing.plugins import TemporaryPlugins

PLAIN, LEASED = "chaos_plain", "chaos_leased"
QUEUES = (PLAIN, LEASED)
PREFETCH = 100
SECONDS = 120.0  # for the next effects to come, after anything
EFFECTS = sa.Table(
    "chaos_effects",
    sa.MetaData(),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
)
PLUGIN = """
import sqlalchemy as sa
from zcore import Worker, hookimpl

effects = sa.table("chaos_effects", sa.column("queue"), sa.column("number"))

@hookimpl
def zops_queue_workers():
    target = "dist_of_chaos.plugin:handle"
    return [
        Worker("chaos_plain", target, batch=20),
        Worker("chaos_leased", target, batch=20, lease=True),
    ]

def handle(events, context):
    rows = [{"queue": event.queue, "number": event.payload["number"]} for event in events]
    with context.database.begin() as connection:
        connection.execute(effects.insert(), rows)
        context.complete(connection, events)
"""


@dataclass(frozen=True, slots=True)
class Effects:
    """What came of `events` of one queue: how many had none, and how many effects were too many."""

    events: int
    missing: int
    repeated: int


class Chaos:
    """`events` numbered events on each of two queues, one of whose workers has a lease.

    `faults` are what happens meanwhile, by name, and how often: "kill" kills the worker, others
    are calls.
    """

    def __init__(
        self, zops: Zops, plugins: TemporaryPlugins, database: Database, events: int, seed: int
    ) -> None:
        self._zops = zops.on(database)
        self._database = database
        self._events = events
        self._chance = random.Random(seed)  # noqa: S311 # no secret
        plugins.install("chaos", PLUGIN)
        with database.begin() as connection:
            EFFECTS.create(connection)
        self._worker: subprocess.Popen[str] | None = None

    def run(
        self,
        faults: Mapping[str, int],
        others: Mapping[str, Callable[[], object]],
        told: Callable[[str], object] = lambda name: None,
    ) -> dict[str, Effects]:
        """Publish, work with all `faults` on the way, to the end. What came of it, by queue.

        `told` is called with the name of each fault.
        """
        self._publish()
        self._start()
        calls = {"kill": self.kill, **others}
        for least, fault in self._plan(faults):
            self._await(lambda least=least: self._count() >= least)  # type: ignore[misc]  # its own
            told(fault)
            calls[fault]()
        self._await(lambda: not any(each.missing for each in self.effects().values()))
        self._end()
        self._zops("process-queue", *QUEUES, "--drain")
        return self.effects()

    def kill(self) -> None:
        """Kill the worker, with the processes that it started, and start another."""
        assert self._worker is not None
        for number in (self._worker.pid, *_children(self._worker.pid)):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self._worker.communicate()
        self._start()

    def effects(self) -> dict[str, Effects]:
        """What has come of the events, by queue."""
        columns = EFFECTS.c
        counted = sa.select(
            columns.queue, sa.func.count(), sa.func.count(columns.number.distinct())
        ).group_by(columns.queue)
        with self._database.read() as connection:
            found = {queue: (all, each) for queue, all, each in connection.execute(counted)}
        return {
            queue: Effects(self._events, self._events - each, all - each)
            for queue, (all, each) in ((name, found.get(name, (0, 0))) for name in QUEUES)
        }

    def left(self) -> list[dict[str, int]]:
        """How full the queues are, as `zops queue stats` says."""
        stats: list[dict[str, int]] = self._zops("--json", "queue", "stats", *QUEUES).json()[
            "queues"
        ]
        return stats

    def _publish(self) -> None:
        events = "".join(f"{json.dumps({'number': number})}\n" for number in range(self._events))
        for queue in QUEUES:
            self._zops("queue", "publish", queue, stdin=events)

    def _plan(self, faults: Mapping[str, int]) -> Sequence[tuple[int, str]]:
        """After how many effects each fault comes, in a random order."""
        names = [name for name, times in faults.items() for _ in range(times)]
        self._chance.shuffle(names)
        total = len(QUEUES) * self._events
        moments = sorted(self._chance.sample(range(1, total * 9 // 10), len(names)))
        return list(zip(moments, names, strict=True))

    def _count(self) -> int:
        with self._database.read() as connection:
            count = sa.select(sa.func.count()).select_from(EFFECTS)
            return int(connection.execute(count).scalar_one())

    def _start(self) -> None:
        words = ("--quiet", "process-queue", *QUEUES, "--prefetch", str(PREFETCH))
        self._worker = self._zops.start(*words, "--multi-threaded")

    def _await(self, happened: Callable[[], object]) -> None:
        """Wait for it. Fails when it takes too long, or the worker ends."""
        worker = self._worker
        assert worker is not None

        def happened_yet() -> bool:
            if happened():
                return True
            assert worker.poll() is None, worker.communicate()
            return False

        until(happened_yet, SECONDS)

    def _end(self) -> None:
        assert self._worker is not None
        self._worker.terminate()
        _, said = self._worker.communicate(timeout=60)
        assert self._worker.returncode == 0, said


def _children(number: int) -> list[int]:
    """The processes that a process started."""
    try:
        words = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except OSError:
        return []
    return [int(word) for word in words]
