"""Taking events out of the embedded broker: leases, retries, dead letters."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from zops_queue.embedded.file import transaction, translated
from zops_queue.embedded.owners import OwnerLock, forget, is_alive, owners_folder
from zops_queue.embedded.rows import delivery_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zcore.broker import Clock, Delivery, Failure

SECONDS_BETWEEN_LOOKS = 0.05  # a file tells nobody that something was added to it
SECONDS_BETWEEN_CENSUSES = 1.0


class EmbeddedConsumer:
    """See `zcore.broker.Consumer`. Events in hand carry its number until they are settled."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, prefetch: Mapping[str, int], clock: Clock
    ) -> None:
        self._path = path
        self._folder = owners_folder(path)
        self._connection = connection
        self._prefetch = prefetch
        self._clock = clock
        self._fetched: dict[str, deque[Delivery]] = {queue: deque() for queue in prefetch}
        self._in_hand = dict.fromkeys(prefetch, 0)
        self._closed = False
        self._lock = OwnerLock(self._folder, prefetch)
        self._owner = self._register()
        self._next_census = 0.0

    def wait(self, seconds: float) -> None:
        """Fetch what is there; look again now and then until there is something."""
        deadline = time.monotonic() + seconds
        with translated(self._path):
            self._free_the_events_of_the_dead()
            while not self._fetch():
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                time.sleep(min(SECONDS_BETWEEN_LOOKS, left))

    def held(self, queue: str) -> int:
        """Fetched and not taken yet."""
        return len(self._fetched[queue])

    def take(self, queue: str, most: int) -> Sequence[Delivery]:
        """The oldest fetched deliveries."""
        fetched = self._fetched[queue]
        return [fetched.popleft() for _ in range(min(most, len(fetched)))]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Delete the events."""
        with translated(self._path), transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM events WHERE id = ? AND owner = ?",
                [(delivery.tag, self._owner) for delivery in deliveries],
            )
        self._settled(deliveries)

    def retry(self, delivery: Delivery, seconds: float) -> None:
        """Let go of the event until its time comes."""
        now = self._clock()
        seen = delivery.first_seen or now
        values = (now.timestamp() + seconds, delivery.attempts + 1, seen.isoformat())
        with translated(self._path):
            self._connection.execute(
                "UPDATE events SET owner = NULL, due = ?, attempts = ?, first_seen = ?"
                " WHERE id = ? AND owner = ?",
                (*values, delivery.tag, self._owner),
            )
        self._settled([delivery])

    def postpone(self, delivery: Delivery, seconds: float) -> None:
        """Let go of the event until then."""
        with translated(self._path):
            self._connection.execute(
                "UPDATE events SET owner = NULL, due = ? WHERE id = ? AND owner = ?",
                (self._clock().timestamp() + seconds, delivery.tag, self._owner),
            )
        self._settled([delivery])

    def bury(self, delivery: Delivery, failure: Failure) -> None:
        """Move the event to the dead letters."""
        with translated(self._path), transaction(self._connection):
            self._connection.execute(
                "INSERT INTO dead_letters"
                " (queue, body, error, traceback, attempts, host, worker, time, first_seen)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (delivery.queue, delivery.body, *_columns(failure)),
            )
            self._connection.execute(
                "DELETE FROM events WHERE id = ? AND owner = ?", (delivery.tag, self._owner)
            )
        self._settled([delivery])

    @property
    def trouble(self) -> str:
        """None: what is settled is stored."""
        return ""

    def close(self) -> None:
        """Give back everything that is not settled; what was taken may have been begun."""
        if self._closed:
            return
        self._closed = True
        unseen = [(each.tag,) for fetched in self._fetched.values() for each in fetched]
        try:
            with translated(self._path), transaction(self._connection):
                self._connection.executemany("UPDATE events SET owner = NULL WHERE id = ?", unseen)
                self._give_back(self._owner, redelivered=True)
        finally:
            self._lock.close()

    def _register(self) -> int:
        with translated(self._path):
            added = self._connection.execute(
                "INSERT INTO owners (token) VALUES (?)", (self._lock.token,)
            )
        return int(added.lastrowid or 0)

    def _settled(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._in_hand[delivery.queue] -= 1

    def _fetch(self) -> int:
        """Fill up to the prefetch. How many came."""
        came = 0
        for queue, most in self._prefetch.items():
            room = most - self._in_hand[queue]
            if room > 0 and self._has_something(queue):
                came += self._lease(queue, room)
        return came

    def _has_something(self, queue: str) -> bool:
        """A look that takes no lock."""
        (found,) = self._connection.execute(
            "SELECT EXISTS (SELECT 1 FROM events WHERE queue = ? AND owner IS NULL AND due = 0)"
            " OR EXISTS (SELECT 1 FROM events WHERE queue = ? AND due > 0 AND due <= ?)",
            (queue, queue, self._clock().timestamp()),
        ).fetchone()
        return bool(found)

    def _lease(self, queue: str, room: int) -> int:
        with transaction(self._connection):
            self._connection.execute(
                "UPDATE events SET due = 0 WHERE queue = ? AND due > 0 AND due <= ?",
                (queue, self._clock().timestamp()),
            )
            rows = self._connection.execute(
                "SELECT id, body, attempts, redelivered, first_seen FROM events"
                " WHERE queue = ? AND owner IS NULL AND due = 0 ORDER BY id LIMIT ?",
                (queue, room),
            ).fetchall()
            if rows:
                self._connection.execute(
                    "UPDATE events SET owner = ?"
                    " WHERE queue = ? AND owner IS NULL AND due = 0 AND id <= ?",
                    (self._owner, queue, rows[-1][0]),
                )
        self._fetched[queue].extend(delivery_of(queue, row) for row in rows)
        self._in_hand[queue] += len(rows)
        return len(rows)

    def _free_the_events_of_the_dead(self) -> None:
        """Give back what consumers had in hand whose processes ended without a word."""
        if time.monotonic() < self._next_census:
            return
        self._next_census = time.monotonic() + SECONDS_BETWEEN_CENSUSES
        others = "SELECT id, token FROM owners WHERE id != ?"
        for owner, token in self._connection.execute(others, (self._owner,)).fetchall():
            if not is_alive(self._folder, token):
                with transaction(self._connection):
                    self._give_back(owner, redelivered=True)
                forget(self._folder, token)

    def _give_back(self, owner: int, *, redelivered: bool) -> None:
        self._connection.execute(
            "UPDATE events SET owner = NULL, redelivered = max(redelivered, ?) WHERE owner = ?",
            (redelivered, owner),
        )
        self._connection.execute("DELETE FROM owners WHERE id = ?", (owner,))


def _columns(failure: Failure) -> tuple[str, str, int, str, str, str, str]:
    return (
        failure.error,
        failure.traceback,
        failure.attempts,
        failure.host,
        failure.worker,
        failure.time.isoformat(),
        failure.first_seen.isoformat() if failure.first_seen else "",
    )
