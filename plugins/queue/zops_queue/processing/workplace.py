"""What the parts of a run share, and what they count."""

from __future__ import annotations

import math
import os
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zcore.broker import Clock, utc_now
from zops_queue.processing.deaths import DEATHS
from zops_queue.processing.gate import CallGate
from zops_queue.processing.lull import Lull
from zops_queue.processing.retirement import Retirement
from zops_queue.processing.retry import Pauses, RetryPolicy
from zops_queue.watching.meter import Meters
from zops_queue.watching.reports import NoReports

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.broker import Broker
    from zcore.console import Console
    from zcore.context import Context
    from zcore.database import Database
    from zcore.settings import Settings
    from zcore.signals import StopFlag
    from zops_queue.processing.deaths import Deaths
    from zops_queue.registry import LoadedWorker
    from zops_queue.watching.reports import Reports

DRAIN_SECONDS = 2  # the longest wait for another attempt while draining
GRACE_SECONDS = 25.0  # for what is in hand, once asked to stop
PATIENCE_SECONDS = 60  # how long draining waits for a service that is gone


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says: see `zops process-queue --help`."""

    drain: bool = False
    prefetch: int | None = None
    worker_num: int = 0
    processes: int = 0  # 0: this one
    grace: float = GRACE_SECONDS
    max_events: int | None = None
    max_memory: int | None = None  # MiB
    event_timeout: float | None = None  # seconds
    autoreload: bool = False
    beside_server: bool = False
    is_child: bool = False  # of a supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What workers need around them; shared by all threads of a run."""

    settings: Settings
    console: Console
    stop: StopFlag
    open_broker: Callable[[], Broker]
    open_database: Callable[[], Database]
    options: Options = field(default_factory=Options)
    clock: Clock = utc_now
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    pauses: Pauses = field(default_factory=Pauses)
    patience: float = PATIENCE_SECONDS
    host: str = field(default_factory=socket.gethostname)
    meters: Meters = field(default_factory=Meters)
    deaths: Deaths | None = None  # without it, events that kill their process are not found
    most_deaths: int = DEATHS
    retirement: Retirement = field(default_factory=Retirement)
    gate: CallGate = field(default_factory=CallGate)
    lull: Lull = field(default_factory=Lull)
    reports: Reports = field(default_factory=NoReports)

    def limit_of(self, worker: LoadedWorker) -> float:
        """How many seconds an event of `worker` may take; 0 for any number."""
        limit = worker.timeout or self.options.event_timeout or 0.0
        return 0.0 if math.isinf(limit) else limit

    @property
    def label(self) -> str:
        """This worker, as the broker and the dead letters name it."""
        return f"zops.{self.host}.{os.getpid()}.{self.options.worker_num}"


@dataclass(slots=True)
class Tally:
    """What became of the events: `processed` does not count the dead.

    `repeated` are those that came again after they were done, and had no second effect.
    """

    processed: int = 0
    retried: int = 0
    dead: dict[str, int] = field(default_factory=dict)  # by queue
    repeated: int = 0

    def add(self, other: Tally) -> None:
        """Count what `other` counted, too."""
        self.processed += other.processed
        self.retried += other.retried
        self.repeated += other.repeated
        for queue, count in other.dead.items():
            self.count_dead(queue, count)

    def count_dead(self, queue: str, count: int = 1) -> None:
        """`count` more events of `queue` became dead letters."""
        self.dead[queue] = self.dead.get(queue, 0) + count


def one_at_a_time(context: Context) -> Callable[[], Database]:
    """The context's database for several threads: only one of them connects."""
    lock = threading.Lock()

    def open_database() -> Database:
        with lock:
            return context.database

    return open_database
