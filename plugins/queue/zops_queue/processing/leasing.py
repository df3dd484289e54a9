"""What is done around the calls of a worker that asks for leases."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from zcore.errors import Failed, Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from zcore.broker import Broker, Complete, Consumer, Event
    from zops_queue.processing.leases import Leases, Outbox
    from zops_queue.processing.workplace import Tally, Workplace
    from zops_queue.registry import LoadedWorker

SECONDS_TO_POSTPONE = 10.0  # an event that is worked on elsewhere: until somebody looks again


class Leasing:
    """For the thread that works on one queue; does nothing for workers that ask for no lease."""

    def __init__(
        self,
        worker: LoadedWorker,
        workplace: Workplace,
        broker: Broker,
        consumer: Consumer,
        tally: Tally,
    ) -> None:
        self._is_asked_for = worker.lease
        self._workplace = workplace
        self._broker = broker
        self._consumer = consumer
        self._tally = tally

    def admit(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of `events` that are to be worked on here; the others are settled.

        Raises `Unreachable` when the database is away: call it again.
        """
        if not self._is_asked_for or not events:
            return events
        with _events_blameless():
            taken = self._leases.take(events)
        for queue, body in taken.outbox:
            self._broker.publish(queue, [body])
        if taken.outbox:
            self.published(taken.done)
        if taken.done:
            self._consumer.acknowledge(taken.done)
            self._tally.repeated += len(taken.done)
        for event in taken.held:
            self._consumer.postpone(event, SECONDS_TO_POSTPONE)
        return taken.ours

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
