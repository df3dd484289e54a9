"""What is done around the calls of a worker so that an event that kills its process is found."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from zops_queue.processing.in_hand import Hand, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.broker import Event
    from zops_queue.processing.deaths import Suspect
    from zops_queue.processing.workplace import Tally, Workplace
    from zops_queue.registry import LoadedWorker


class Caution:
    """For the thread that works on the queue of `worker`, and counts in `tally` what it does.

    Without a folder to write in there are no notes, which is said once.
    """

    def __init__(self, worker: LoadedWorker, workplace: Workplace, tally: Tally) -> None:
        self._tally = tally
        self._queue = worker.queue
        self._limit = workplace.limit_of(worker)
        # who waited for a lease to run out is not marked as delivered before
        self._looks_always = worker.lease
        self._workplace = workplace
        self._deaths = workplace.deaths
        self._alone = False
        self.hand = self._note(worker)

    def sort(self, events: Sequence[Event]) -> tuple[list[Event], list[tuple[Event, Suspect]]]:
        """`events` without those that were in hand when a process died; and these."""
        if self._deaths is None or not (self._looks_always or any(e.redelivered for e in events)):
            return list(events), []
        known = self._deaths.suspects(self._queue)
        found = [(event, known.get(digest_of(event))) for event in events] if known else []
        suspects = [(event, suspect) for event, suspect in found if suspect is not None]
        if not suspects:
            return list(events), []
        return [event for event, suspect in found if suspect is None], suspects

    def verdict(self, suspect: Suspect) -> str:
        """Why the event is not handled once more; "" when it is."""
        if not suspect.is_guilty(self._workplace.most_deaths):
            return ""
        if suspect.late:
            return suspect.reason
        return (
            f"{suspect.deaths} processes ended while it was in hand; of the last: {suspect.reason}"
        )

    @contextlib.contextmanager
    def watching(self, event: Event, suspect: Suspect) -> Iterator[None]:
        """While inside, `event` is the only one in hand; alone in the process when it matters."""
        self._alone = suspect.needs_to_be_alone(self._workplace.most_deaths)
        try:
            yield
        finally:
            self._alone = False
        self.clear(event)

    def clear(self, event: Event) -> None:
        """It has been settled: forget what is known of it, before the next one can end us."""
        if self._deaths is not None:
            self._deaths.forget(self._queue, digest_of(event))

    @contextlib.contextmanager
    def holding(self, events: Sequence[Event]) -> Iterator[None]:
        """While inside, the worker has `events` in hand."""
        gate, stop = self._workplace.gate, self._workplace.stop
        with gate.alone(stop) if self._alone else gate.beside_others(stop):
            if self.hand is None:
                yield
                return
            self.count()
            self.hand.take(events, self._limit * len(events))
            try:
                yield
            finally:
                self.hand.release()

    def stop(self) -> None:
        """From now on the process may be ended, which is no event's fault."""
        if self.hand is not None:
            self.hand.stop()

    def close(self) -> None:
        """The thread ends."""
        if self.hand is not None:
            self.hand.close()

    def count(self) -> None:
        """Note what became of all events so far."""
        if self.hand is not None:
            tally = self._tally
            dead = sum(tally.dead.values())
            self.hand.count(tally.processed, tally.retried, dead, tally.repeated)

    def _note(self, worker: LoadedWorker) -> Hand | None:
        if self._deaths is None:
            return None
        try:
            watched = self._workplace.options.is_child
            return Hand(self._deaths.folder, worker.queue, worker.batch, watched=watched)
        except OSError as error:
            self._deaths = None
            self._workplace.console.warn(
                f"events that kill their process cannot be told apart: {error.strerror}:"
                f" {error.filename}"
            )
            return None
