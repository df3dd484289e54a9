"""How quickly events are published and worked on, beside others: python -m bench.queue

On one RabbitMQ, with effects in one PostgreSQL, all in turn in one run:

* `user_activity`, beside a consumer with pika that does nothing and acknowledges as many at once;
* a worker that does nothing, one event at a time and each acknowledged by itself, beside pika,
  dramatiq and celery with equal prefetch, in one process with one thread each;
* `zops queue publish`, whose events are all confirmed, beside pika confirming one by one;
* from the start to the first event, and how much memory is needed, also by thirteen queues.

Where several take turns, the best of each counts. Rates are from the first event to the last; that
of `zops queue publish` is of the whole command. The processor's time says more on a machine that
does something else, too; with the effects it has the start of the command in it. dramatiq and
celery are installed into an environment that is thrown away, or kept in `--environment`. Exit code
1 when a limit is not held.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import queue_subjects as subjects
from bench.queue_place import (
    Place,
    Rate,
    prepare,
    temporary_folder,
    write_activity,
    write_numbers,
)
from bench.running import new_database, postgres_server, table
from zcore.testing.rabbitmq import PrivateRabbitMQ
from zops_queue.plugin import ACTIVITY_BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HEADER = ("", "events/s", "processor µs", "clock s", "times")


@dataclass(frozen=True, slots=True)
class Limit:
    """What is promised: `measured` is at least, or at most, `allowed`."""

    name: str
    measured: float
    allowed: float
    at_least: bool = True

    @property
    def is_kept(self) -> bool:
        """Is it so?"""
        return (self.measured >= self.allowed) == self.at_least or self.measured == self.allowed

    def cells(self) -> list[str]:
        """A line of the table."""
        bound = "at least" if self.at_least else "at most"
        digits = ",.0f" if self.allowed >= 100 else ".2f"
        allowed = f"{bound} {self.allowed:{digits}}"
        return [
            self.name,
            f"{self.measured:{digits}}",
            allowed,
            "ok" if self.is_kept else "NOT KEPT",
        ]


def best_of(kinds: Mapping[str, Callable[[], Rate]], rounds: int) -> dict[str, Rate]:
    """The quickest of each kind: all kinds in turn, `rounds` times."""
    taken: dict[str, list[Rate]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, measure in kinds.items():
            taken[kind].append(measure())
            print(f"  {kind}: {taken[kind][-1].a_second:,.0f}/s", file=sys.stderr)
    return {kind: max(rates, key=lambda rate: rate.a_second) for kind, rates in taken.items()}


def show(title: str, rates: Mapping[str, Rate]) -> None:
    """Print a table; `times` is how many times as quick the first is."""
    first = next(iter(rates.values()))
    rows = [
        (
            kind,
            f"{rate.a_second:,.0f}",
            f"{rate.microseconds:.1f}",
            f"{rate.seconds:.2f}",
            f"{first.a_second / rate.a_second:.2f}",
        )
        for kind, rate in rates.items()
    ]
    print(f"{title}\n{table(HEADER, rows)}\n")


def measure_effects(place: Place, count: int, rounds: int) -> list[Limit]:
    """`user_activity`."""
    events = write_activity(place, count)
    rates = best_of(
        {
            "zops": lambda: subjects.activity(place, events, count),
            "pika": lambda: subjects.bare_pika(place, events, count, ACTIVITY_BATCH),
        },
        rounds,
    )
    show(f"user_activity, {count:,} events, batches of {ACTIVITY_BATCH}", rates)
    zops, pika = rates.values()
    return [
        Limit("user_activity, events/s", zops.a_second, 25_000),
        Limit("user_activity, times pika", zops.a_second / pika.a_second, 0.8),
        Limit("user_activity, peak MB", zops.peak_mb, 80, at_least=False),
    ]


def measure_nothing(place: Place, count: int, rounds: int) -> list[Limit]:
    """Workers that do nothing, one event at a time."""
    events = write_numbers(place, count)
    few = count // 4
    rates = best_of(
        {
            "zops": lambda: subjects.noop(place, events, count),
            "pika": lambda: subjects.bare_pika(place, events, count, 1),
            "dramatiq": lambda: subjects.dramatiq(place, few),
            "celery, solo": lambda: subjects.celery(place, few, "solo"),
            "celery, prefork": lambda: subjects.celery(place, few, "prefork"),
        },
        rounds,
    )
    show(f"nothing, one event at a time, prefetch {place.prefetch}", rates)
    speed = {kind: rate.a_second for kind, rate in rates.items()}
    celery = max(speed["celery, solo"], speed["celery, prefork"])
    return [
        Limit("nothing, times dramatiq", speed["zops"] / speed["dramatiq"], 2),
        Limit("nothing, times celery", speed["zops"] / celery, 4),
    ]


def measure_publishing(place: Place, count: int, rounds: int) -> list[Limit]:
    """Events published with confirmations."""
    events = write_numbers(place, count)
    rates = best_of(
        {
            "zops queue publish": lambda: subjects.publish(place, events, count),
            "pika": lambda: subjects.publish_with_pika(place, count // 25),
        },
        rounds,
    )
    show(f"publishing {count:,} events, confirmed", rates)
    return [Limit("queue publish, events/s", rates["zops queue publish"].a_second, 10_000)]


def measure_start(place: Place, rounds: int) -> list[Limit]:
    """From start to the first event; memory of many queues."""
    numbers = write_numbers(place, 500)
    seconds = min(subjects.first_event(place, numbers) for _ in range(rounds))
    own, peak = subjects.many_queues(place, write_activity(place, 5_000), numbers)
    others = subjects.QUEUES - own
    name = f"{own} queues with workers of ours and {others} more in one process, peak MB"
    return [
        Limit("start to first event, s", seconds, 0.7, at_least=False),
        Limit(name, peak, 110, at_least=False),
    ]


@contextmanager
def new_place(environment: Path | None, prefetch: int) -> Iterator[Place]:
    """Services and programs, all of them ended afterwards."""
    with temporary_folder() as folder, closing_broker() as broker, postgres_server() as server:
        home = Path(folder)
        with new_database(server, home) as database:
            others = environment or home / "others"
            place = Place(home, database, broker.new_vhost_url(), others, prefetch)
            prepare(place)
            yield place


@contextmanager
def closing_broker() -> Iterator[PrivateRabbitMQ]:
    """A RabbitMQ of our own."""
    broker = PrivateRabbitMQ()
    try:
        yield broker
    finally:
        broker.stop()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.queue", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prefetch", type=int, default=100, help="of workers that do nothing")
    parser.add_argument("--environment", type=Path, help="where dramatiq and celery are kept")
    parser.add_argument("--only", choices=("effects", "nothing", "publishing", "start"))
    words = parser.parse_args()
    with new_place(words.environment, words.prefetch) as place:
        parts = {
            "effects": lambda: measure_effects(place, words.events, words.rounds),
            "nothing": lambda: measure_nothing(place, words.events // 2, words.rounds),
            "publishing": lambda: measure_publishing(place, words.events, words.rounds),
            "start": lambda: measure_start(place, words.rounds),
        }
        limits = [
            limit for name, part in parts.items() if words.only in (None, name) for limit in part()
        ]
    print(table(("", "measured", "limit", ""), [limit.cells() for limit in limits]))
    return 0 if all(limit.is_kept for limit in limits) else 1


if __name__ == "__main__":
    sys.exit(main())
