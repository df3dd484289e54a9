"""A place for workers to work in, as the tests need it: quick, and with nothing left to chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zcore.console import Console
from zcore.settings import Settings
from zcore.signals import StopFlag
from zops_queue.processing.retry import Pauses, RetryPolicy
from zops_queue.processing.workplace import Options, Workplace
from zops_queue.registry import LoadedWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zcore.broker import Broker, Event, Rejected, WorkContext
    from zcore.database import Database

QUICK_RETRIES = RetryPolicy(attempts=3, delays=(0.1, 0.1), chance=lambda: 0)


def no_database() -> NoReturn:
    raise AssertionError("this worker has no business with the database")


def workplace(
    open_broker: Callable[[], Broker],
    *,
    options: Options | None = None,
    open_database: Callable[[], Database] = no_database,
) -> Workplace:
    """A place to work in, with short delays."""
    return Workplace(
        settings=Settings.load({}, {"ZOPS_HOME": "/nonexistent"}, Path("/")),
        console=Console(),
        stop=StopFlag(),
        open_broker=open_broker,
        open_database=open_database,
        options=options or Options(drain=True),
        retries=QUICK_RETRIES,
        pauses=Pauses(first=0.05, longest=0.1, chance=lambda: 0),
        patience=1.0,
        host="test-host",
    )


def impatient(place: Workplace) -> Workplace:
    """The same place, with no patience at all."""
    return replace(place, patience=0.0)


class Recorder:
    """A worker that keeps what it is given, and fails on events that say `"fail": true`.

    `calls` has the numbers of each call, `done` those of the calls that went well.
    """

    def __init__(self, queue: str, batch: int = 1) -> None:
        self.calls: list[list[object]] = []
        self.done: list[object] = []
        self.before: Callable[[Sequence[Event], WorkContext], Iterable[Rejected] | None] | None
        self.before = None
        self.loaded = LoadedWorker(queue, batch, self.handle)

    def handle(self, events: Sequence[Event], context: WorkContext) -> Iterable[Rejected] | None:
        numbers = [event.payload.get("n") for event in events]
        self.calls.append(numbers)
        rejected = self.before(events, context) if self.before else None
        if any(event.payload.get("fail") for event in events):
            raise RuntimeError("one of them\nis bad")
        self.done += numbers
        return rejected
