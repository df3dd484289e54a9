"""Leases on events, in the organization's database: one effect, although delivered twice.

A lease says that somebody works on an event, until a moment that is moved on as long as the work
lasts; then that it is done, which is kept for a while. What tells events from each other is their
queue and their text. So a lease that says "done" counts for an event that may have been begun
before: another one may rightly say the same. The clock is the database's, the same for everybody.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from zcore.errors import Failed, ZopsError
from zcore.own_tables import make, own_table
from zops_queue.processing.lease_owners import has_ended, new_owner
from zops_queue.processing.taken import Taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zcore.broker import Event
    from zcore.database import Database
    from zops_queue.processing.taken import Outbox

SECONDS = 60  # that a lease lasts
SECONDS_BETWEEN_RENEWALS = 15.0
SECONDS_KEPT = 30 * 24 * 3600  # what is done; longer than any broker keeps an event in hand


class LeaseLost(Failed):
    """Somebody else has the lease by now: what is in hand must have no effect here."""

    code = "lease-lost"


class Leases:
    """The leases of one thread in one database, each held until it is finished or released.

    Every call may raise `Unreachable`. While any is held, a thread renews them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owner = new_owner()
        self._table = _table_in(database.dialect)
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._renewing: threading.Thread | None = None
        make(database, self._table)
        self._forget_old()

    def take(self, events: Iterable[Event]) -> Taken:
        """Take the leases of `events`, as far as nobody else has them and nothing is done yet."""
        taken = Taken([], [], [])
        by_key: dict[str, Event] = {}
        for event in events:
            if by_key.setdefault(key_of(event), event) is not event:
                taken.held.append(event)  # another one that says the same comes first
        with self._database.begin() as connection:
            now = self._now(connection)
            known = self._look(connection, by_key)
            wanted: list[str] = []
            for key, event in by_key.items():
                row = known.get(key)
                if row is None or self._is_free(row, event, now):
                    wanted.append(key)
                elif row.done:
                    taken.done.append((event, _outbox_from(row.outbox)))
                else:
                    taken.held.append(event)
            ours = self._write(connection, wanted, known, now)
        for key in wanted:
            (taken.ours if key in ours else taken.held).append(by_key[key])
        self._hold(ours)
        return taken

    def complete(self, connection: sa.Connection, events: Sequence[Event], outbox: Outbox) -> None:
        """Write that `events` are done, in the transaction of their effect.

        With them goes what they want published: whoever finds the lease later can still do that.
        Raises `LeaseLost`.
        """
        keys = sorted({key_of(event) for event in events})
        if not keys:
            return
        columns = self._table.c
        done = self._ours(keys).values(done=self._now(connection))
        if connection.execute(done.where(columns.done == 0)).rowcount != len(keys):
            raise LeaseLost("the lease of an event has run out, and somebody else has it")
        if outbox:
            connection.execute(self._ours(keys[:1]).values(outbox=_text_of(outbox)))

    def finish(self, events: Iterable[Event], outbox: Outbox) -> None:
        """Write that `events` are done, where that is not written yet and they are still ours."""
        keys = sorted({key_of(event) for event in events})
        if keys:
            with self._database.begin() as connection:
                undone = self._ours(keys).where(self._table.c.done == 0)
                now = self._now(connection)
                first = undone.where(self._table.c.key == keys[0])
                connection.execute(first.values(done=now, outbox=_text_of(outbox)))
                connection.execute(undone.values(done=now))
            self._let_go(keys)

    def published(self, events: Iterable[Event]) -> None:
        """What `events`, done before, wanted published is published."""
        keys = sorted({key_of(event) for event in events})
        columns = self._table.c
        late = self._table.update().where(columns.key.in_(keys), columns.outbox != "")
        with self._database.begin() as connection:
            connection.execute(late.values(outbox=""))

    def release(self, events: Iterable[Event]) -> None:
        """Let others have them: they are not done."""
        keys = self._let_go({key_of(event) for event in events})
        if keys:
            columns = self._table.c
            ours = (columns.key.in_(keys), columns.owner == self._owner, columns.done == 0)
            with self._database.begin() as connection:
                connection.execute(self._table.delete().where(*ours))

    def renew(self) -> None:
        """Hold what is held for longer."""
        with self._lock:
            keys = sorted(self._held)
        with self._database.begin() as connection:
            until = self._now(connection) + SECONDS
            renewed = self._ours(keys).where(self._table.c.done == 0)
            connection.execute(renewed.values(until=until))

    def _is_free(self, row: sa.Row[tuple[str, str, int, int, str]], event: Event, now: int) -> bool:
        """May a lease that is there be taken?"""
        if row.done:
            return not may_have_begun(event)
        return row.owner == self._owner or row.until <= now or has_ended(row.owner)

    def _look(
        self, connection: sa.Connection, keys: Iterable[str]
    ) -> dict[str, sa.Row[tuple[str, str, int, int, str]]]:
        """The leases that are there; nobody changes them until the transaction ends."""
        chosen = sa.select(self._table).where(self._table.c.key.in_(keys))
        locked = chosen.order_by(self._table.c.key).with_for_update()
        return {row.key: row for row in connection.execute(locked)}

    def _write(
        self, connection: sa.Connection, keys: Sequence[str], known: Iterable[str], now: int
    ) -> set[str]:
        """Make leases ours. Returns which are: of two who make one at once, one is late."""
        values = {"owner": self._owner, "until": now + SECONDS, "done": 0, "outbox": ""}
        old = {key for key in keys if key in known}
        if old:
            columns = self._table.c
            connection.execute(self._table.update().where(columns.key.in_(old)).values(values))
        new = sorted(set(keys) - old)
        if not new:
            return old
        insert = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        rows = [{"key": key, **values} for key in new]
        added = insert(self._table).values(rows).on_conflict_do_nothing()
        return old | set(connection.execute(added.returning(self._table.c.key)).scalars())

    def _ours(self, keys: Sequence[str]) -> sa.Update:
        columns = self._table.c
        return self._table.update().where(columns.key.in_(keys), columns.owner == self._owner)

    def _now(self, connection: sa.Connection) -> int:
        if self._database.dialect == "sqlite":  # the same machine
            return int(time.time())
        seconds = sa.extract("epoch", sa.func.clock_timestamp())
        return int(connection.execute(sa.select(seconds)).scalar_one())

    def _forget_old(self) -> None:
        columns = self._table.c
        with self._database.begin() as connection:
            before = self._now(connection) - SECONDS_KEPT
            old = columns.done.between(1, before) | ((columns.done == 0) & (columns.until < before))
            connection.execute(self._table.delete().where(old))

    def _hold(self, keys: set[str]) -> None:
        with self._lock:
            self._held |= keys
            if self._held and self._renewing is None:
                self._renewing = threading.Thread(target=self._keep_renewing, daemon=True)
                self._renewing.start()

    def _let_go(self, keys: Iterable[str]) -> list[str]:
        """Which of `keys` were held, and are not any more."""
        with self._lock:
            held = self._held.intersection(keys)
            self._held -= held
        return sorted(held)

    def _keep_renewing(self) -> None:
        """In a thread that ends when nothing is held any more."""
        while True:
            time.sleep(SECONDS_BETWEEN_RENEWALS)
            with self._lock:
                if not self._held:
                    self._renewing = None
                    return
            with suppress(ZopsError):  # tried again before the lease runs out
                self.renew()


def key_of(event: Event) -> str:
    """What tells an event from others."""
    return hashlib.sha256(event.queue.encode() + b"\0" + event.body).hexdigest()


def may_have_begun(event: Event) -> bool:
    """May somebody have had it in hand before?"""
    return event.redelivered or event.attempts > 0


def _text_of(outbox: Outbox) -> str:
    return json.dumps([[queue, body.decode()] for queue, body in outbox]) if outbox else ""


def _outbox_from(text: str) -> Outbox:
    return [(queue, body.encode()) for queue, body in json.loads(text)] if text else []


def _table_in(dialect: str) -> sa.Table:
    return own_table(
        dialect,
        "leases",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("outbox", sa.Text, nullable=False),
    )
