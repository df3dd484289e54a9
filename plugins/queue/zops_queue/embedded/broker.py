"""The embedded broker: see `zcore.broker.Broker` for what each call means."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from zcore.broker import Clock, QueueState, utc_now
from zops_queue.embedded import dead_letters
from zops_queue.embedded.consumer import EmbeddedConsumer
from zops_queue.embedded.file import open_file, transaction, translated
from zops_queue.embedded.owners import owners_folder, takes_from
from zops_queue.embedded.rows import delivery_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from zcore.broker import Choice, DeadLetter, Delivery
    from zcore.settings import Settings

EVENTS_A_TRANSACTION = 10_000

P = ParamSpec("P")
R = TypeVar("R")


def connect(url: str, settings: Settings) -> EmbeddedBroker:
    """The broker in the data folder of `settings`."""
    return EmbeddedBroker(settings.home / "queue.db")


def explained(
    method: Callable[Concatenate[EmbeddedBroker, P], R],
) -> Callable[Concatenate[EmbeddedBroker, P], R]:
    """Let `method` raise our errors instead of SQLite's."""

    @functools.wraps(method)
    def call(self: EmbeddedBroker, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with translated(self.path):
            return method(self, *args, **kwargs)

    return call


class EmbeddedBroker:
    """Durable queues in the SQLite file `path`, for any number of processes of one machine.

    The file is made by the first call that writes; looking into a broker that nobody used yet
    makes none.
    """

    def __init__(self, path: Path, clock: Clock = utc_now) -> None:
        self.path = path
        self._clock = clock
        self._opened: sqlite3.Connection | None = None
        self._consumers: list[EmbeddedConsumer] = []

    @property
    def name(self) -> str:
        """The path of the file."""
        return str(self.path)

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = open_file(self.path)
        return self._opened

    @property
    def _is_there(self) -> bool:
        return self._opened is not None or self.path.exists()

    @explained
    def declare(self, queue: str) -> None:
        """Write down the name of the queue, so that it is listed while it is empty."""
        self._connection.execute("INSERT OR IGNORE INTO queues VALUES (?)", (queue,))

    @explained
    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        """Append events, thousands a transaction."""
        self.declare(queue)
        published = 0
        rows = ((queue, body) for body in bodies)
        while some := list(itertools.islice(rows, EVENTS_A_TRANSACTION)):
            with transaction(self._connection):
                self._connection.executemany("INSERT INTO events (queue, body) VALUES (?, ?)", some)
            published += len(some)
        return published

    @explained
    def consume(self, prefetch: Mapping[str, int], label: str) -> EmbeddedConsumer:
        """Take from queues. What takes needs no wait for the disk: a lost lease is no loss."""
        for queue in prefetch:
            self.declare(queue)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        consumer = EmbeddedConsumer(self.path, self._connection, prefetch, self._clock)
        self._consumers.append(consumer)
        return consumer

    @explained
    def queues(self) -> Sequence[str]:
        """All queues that were ever declared."""
        if not self._is_there:
            return ()
        return [name for (name,) in self._connection.execute("SELECT name FROM queues")]

    @explained
    def state(self, queue: str) -> QueueState | None:
        """Counts; what dead consumers had in hand is counted as in hand until somebody looks."""
        if queue not in self.queues():
            return None
        row = self._connection.execute(
            "SELECT"
            " (SELECT count(*) FROM events WHERE queue = :queue AND owner IS NULL AND due = 0),"
            " (SELECT count(*) FROM events WHERE queue = :queue AND owner IS NOT NULL),"
            " (SELECT count(*) FROM events WHERE queue = :queue AND due > 0),"
            " (SELECT count(*) FROM dead_letters WHERE queue = :queue)",
            {"queue": queue},
        ).fetchone()
        ready, in_hand, delayed, dead = row
        return QueueState(
            queue=queue,
            ready=ready,
            in_hand=in_hand,
            delayed=delayed,
            dead=dead,
            consumers=self._consumers_of(queue),
        )

    def _consumers_of(self, queue: str) -> int:
        folder = owners_folder(self.path)
        tokens = self._connection.execute("SELECT token FROM owners").fetchall()
        return sum(takes_from(folder, token, queue) for (token,) in tokens)

    @explained
    def peek(self, queue: str, most: int) -> Sequence[Delivery]:
        """The first ready events."""
        if not self._is_there:
            return ()
        rows = self._connection.execute(
            "SELECT id, body, attempts, redelivered, first_seen FROM events"
            " WHERE queue = ? AND owner IS NULL AND due = 0 ORDER BY id LIMIT ?",
            (queue, most),
        )
        return [delivery_of(queue, row) for row in rows]

    @explained
    def dead_letters(self, queue: str, most: int) -> Sequence[DeadLetter]:
        """The oldest dead letters."""
        if not self._is_there:
            return ()
        return dead_letters.oldest(self._connection, queue, most)

    @explained
    def replay(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Make events of dead letters again, some hundred a transaction."""
        return dead_letters.replay(self._connection, queue, chosen) if self._is_there else ()

    @explained
    def drop(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Delete dead letters."""
        return dead_letters.drop(self._connection, queue, chosen) if self._is_there else ()

    @explained
    def hasten(self, queue: str, seconds: float) -> None:
        """Bring the time of the next attempt nearer."""
        if not self._is_there:
            return
        soon = self._clock().timestamp() + seconds
        self._connection.execute(
            "UPDATE events SET due = ? WHERE queue = ? AND due > ?", (soon, queue, soon)
        )

    @explained
    def purge(self, queue: str) -> int:
        """Delete what nobody has in hand."""
        if not self._is_there:
            return 0
        return self._connection.execute(
            "DELETE FROM events WHERE queue = ? AND owner IS NULL", (queue,)
        ).rowcount

    def close(self) -> None:
        """Give back what is in hand, and close the file."""
        with translated(self.path):
            try:
                for consumer in self._consumers:
                    consumer.close()
            finally:
                if self._opened is not None:
                    self._opened.close()
