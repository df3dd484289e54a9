"""What is done around the calls of a worker that asks for leases."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from zcore.errors import Failed, Refused, Unreachable
from zops_queue.processing.taken import Taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from zcore.broker import Complete, Event
    from zops_queue.processing.leases import Leases
    from zops_queue.processing.taken import Outbox
    from zops_queue.processing.workplace import Workplace
    from zops_queue.registry import LoadedWorker


class Leasing:
    """For the thread that works on one queue; does nothing for workers that ask for no lease."""

    def __init__(self, worker: LoadedWorker, workplace: Workplace) -> None:
        self._is_asked_for = worker.lease
        self._workplace = workplace

    def take(self, events: Sequence[Event]) -> Taken:
        """Which of `events` are to be worked on here, and which are not.

        Raises `Unreachable` when the database is away: call it again.
        """
        if not self._is_asked_for or not events:
            return Taken(list(events), [], [])
        with _events_blameless():
            return self._leases.take(events)

    def completing(self, outbox: Outbox) -> Complete:
        """What a worker gets to call, whose events to publish are in `outbox` by then."""

        def complete(connection: sa.Connection, events: Sequence[Event]) -> None:
            if self._is_asked_for:
                self._leases.complete(connection, events, outbox)

        return complete

    def finish(self, events: Sequence[Event], outbox: Outbox) -> None:
        """They are done; what is in `outbox` is to be published."""
        if self._is_asked_for:
            with _events_blameless():
                self._leases.finish(events, outbox)

    def published(self, events: Sequence[Event]) -> None:
        """What they wanted published is."""
        if self._is_asked_for:
            with _events_blameless():
                self._leases.published(events)

    def release(self, events: Iterable[Event]) -> None:
        """They are not done, and go back to the broker or to the dead letters."""
        if self._is_asked_for:
            with _events_blameless():
                self._leases.release(events)

    @cached_property
    def _leases(self) -> Leases:
        from zops_queue.processing.leases import Leases  # SQLAlchemy, only where it is needed

        return Leases(self._workplace.open_database())


@contextmanager
def _events_blameless() -> Iterator[None]:
    """What the database has against our table is no event's fault: they all wait."""
    try:
        yield
    except (Failed, Refused) as error:
        raise Unreachable(error.message, hint=error.hint) from error
