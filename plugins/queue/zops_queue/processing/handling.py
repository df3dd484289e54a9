"""From the deliveries of one queue to its worker, and what becomes of each of them."""

from __future__ import annotations

import contextlib
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from zcore.broker import Delivery, Event, Failure, Rejected, WorkContext, encode_event
from zcore.errors import Failed, Interrupted, Refused, Unreachable, ZopsError
from zcore.text import describe, one_line
from zops_queue.event_json import parse
from zops_queue.processing.leasing import Leasing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zcore.broker import Broker, Consumer
    from zops_queue.processing.caution import Caution
    from zops_queue.processing.deaths import Suspect
    from zops_queue.processing.taken import Outbox, Taken
    from zops_queue.processing.workplace import Tally, Workplace
    from zops_queue.registry import LoadedWorker

T = TypeVar("T")
LONGEST_ERROR = 1_000  # characters
LONGEST_TRACEBACK = 10_000
SECONDS_TO_SEND = 0.001
SECONDS_TO_POSTPONE = 10.0  # an event that is worked on elsewhere: until somebody looks again


class ServiceGone(Unreachable):
    """What a worker needs has been gone for longer than this run wants to wait."""


class NotPublished(Failed):
    """The broker is there, and does not take what a worker wants published."""


@dataclass(slots=True)
class Outcome:
    """What a worker made of its events: which it rejected, and what it wants published."""

    rejected: list[Rejected] = field(default_factory=list)
    outbox: Outbox = field(default_factory=list)


class Handling:
    """The worker of one queue at its consumer. `handle` settles every delivery it is given."""

    def __init__(
        self,
        worker: LoadedWorker,
        workplace: Workplace,
        broker: Broker,
        consumer: Consumer,
        tally: Tally,
        caution: Caution,
    ) -> None:
        self._caution = caution
        self._worker = worker
        self._workplace = workplace
        self._broker = broker
        self._consumer = consumer
        self._tally = tally
        self._leasing = Leasing(worker, workplace)

    def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Give them to the worker.

        Raises `Interrupted` when asked to stop while a service is away, `ServiceGone` when it
        stays away: then the deliveries are not settled, and go back to their queue.
        """
        events = []
        for delivery in deliveries:
            try:
                events.append(decode(delivery))
            except ValueError as error:
                self._bury(delivery, f"the event is {error}")
        taken = self._through_outages(lambda: self._leasing.take(events))
        try:
            self._leave_to_others(taken)
            self._work_through(taken.ours)
        except BaseException:
            with contextlib.suppress(ZopsError):  # then they run out
                self._leasing.release(taken.ours)
            raise
        self._caution.count()

    def _leave_to_others(self, taken: Taken) -> None:
        """Settle the events that are not to be worked on here, or not again."""
        for event, outbox in taken.done:
            if refusal := self._publish([event], outbox):
                self._try_later(event, refusal)
            else:
                self._consumer.acknowledge([event])
                self._tally.repeated += 1
        for event in taken.held:
            self._consumer.postpone(event, SECONDS_TO_POSTPONE)

    def _work_through(self, events: Sequence[Event]) -> None:
        """Do `events`; by themselves those that were in hand when a process died."""
        ordinary, suspects = self._caution.sort(events)
        self._attempt(ordinary)
        for event, suspect in suspects:
            self._attempt_cautiously(event, suspect)

    def _attempt_cautiously(self, event: Event, suspect: Suspect) -> None:
        """Do `event`, with nothing beside it that could suffer; or give it up."""
        if reason := self._caution.verdict(suspect):
            self._bury(event, reason, attempts=event.attempts + suspect.deaths)
            self._caution.clear(event)
            return
        self._consumer.wait(SECONDS_TO_SEND)  # what was settled should not come back with it
        with self._caution.watching(event, suspect):
            self._attempt([event])

    def _attempt(self, events: Sequence[Event]) -> None:
        """Have the worker do `events`; when it cannot, find out which of them it cannot."""
        if not events:
            return
        try:
            outcome = self._through_outages(lambda: self._call(events))
        except (ServiceGone, Interrupted):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 # a worker may raise anything
            failure = error
        else:
            self._settle(events, outcome)
            return
        self._part(events, failure)  # here, so that the errors of the parts do not carry this one

    def _part(self, events: Sequence[Event], failure: BaseException) -> None:
        """Something is wrong with one of `events`, or more: have each half done by itself."""
        if len(events) == 1:
            self._try_later(events[0], failure)
        else:
            middle = len(events) // 2
            self._attempt(events[:middle])
            self._attempt(events[middle:])

    def _through_outages(self, call: Callable[[], T]) -> T:
        """Call again and again while a service that is needed cannot be reached."""
        began = time.monotonic()
        attempt = 0
        while True:
            try:
                return call()
            except Unreachable as error:
                attempt += 1
                if self._lost_patience(began):
                    raise ServiceGone(error.message, hint=error.hint) from error
                self._pause(attempt, error)

    def _call(self, events: Sequence[Event]) -> Outcome:
        """One call of the worker. Raises what it raises."""
        outcome = Outcome()

        def publish(queue: str, payload: Mapping[str, object]) -> None:
            outcome.outbox.append((queue, encode_event(payload)))

        place = self._workplace
        complete = self._leasing.completing(outcome.outbox)
        context = WorkContext(
            place.settings, publish, place.clock, place.open_database, complete=complete
        )
        with self._caution.holding(events), place.reports.call(self._worker.queue, events):
            outcome.rejected = _checked(self._worker.handle(events, context) or (), events)
        return outcome

    def _lost_patience(self, began: float) -> bool:
        place = self._workplace
        return place.options.drain and time.monotonic() - began > place.patience

    def _pause(self, attempt: int, error: Unreachable) -> None:
        seconds = self._workplace.pauses.pause(attempt)
        self._workplace.meters.of(self._worker.queue).waiting = error.message
        self._workplace.console.warn(
            f"queue {self._worker.queue} waits: {error.message}; next try in {seconds:.1f} s",
            queue=self._worker.queue,
            error=error.message,
        )
        if self._workplace.stop.wait(seconds):
            raise Interrupted("stopped while a service was away")

    def _settle(self, events: Sequence[Event], outcome: Outcome) -> None:
        """What the worker did is committed: send what it wants sent, then let go of the events."""
        rejected = {each.event.tag: each for each in outcome.rejected}
        done = [event for event in events if event.tag not in rejected]
        self._through_outages(lambda: self._leasing.finish(done, outcome.outbox))
        refusal = self._publish(done, outcome.outbox)
        for each in rejected.values():
            self._bury(each.event, each.reason)
        if not done:
            return
        if refusal is None:
            self._consumer.acknowledge(done)
            self._tally.processed += len(done)
        elif self._worker.lease:  # they have had their effect: only the publishing is tried again
            for event in done:
                self._try_later(event, refusal)
        else:
            self._part(done, refusal)

    def _publish(self, events: Sequence[Event], outbox: Outbox) -> NotPublished | None:
        """Send what `events` want sent; or say why the broker, although it is there, refuses."""
        try:
            for queue, body in outbox:
                self._broker.publish(queue, [body])
        except Refused as error:
            refusal = NotPublished(f"what it publishes was not taken: {error.message}")
            refusal.__cause__ = error
            return refusal
        if outbox and events:
            self._through_outages(lambda: self._leasing.published(events))
        return None

    def _try_later(self, event: Event, error: BaseException) -> None:
        attempts = event.attempts + 1
        delay = self._workplace.retries.delay(attempts)
        self._workplace.reports.failed(event, error, is_last=delay is None)
        if delay is None:
            self._bury(event, describe(error), _traceback(error))
            return
        self._through_outages(lambda: self._leasing.release([event]))
        self._consumer.retry(event, delay)
        self._tally.retried += 1
        self._workplace.console.note(
            f"queue {event.queue}: attempt {attempts} failed, next in {delay:.1f} s:"
            f" {_shortened(describe(error))}",
            queue=event.queue,
            attempts=attempts,
            error=_shortened(describe(error)),
        )

    def _bury(
        self,
        delivery: Delivery,
        error: str,
        traceback_text: str = "",
        attempts: int | None = None,
    ) -> None:
        if isinstance(delivery, Event):
            event = delivery
            self._through_outages(lambda: self._leasing.release([event]))
        reason = _shortened(one_line(error))
        now = self._workplace.clock()
        failure = Failure(
            error=reason,
            traceback=traceback_text,
            attempts=delivery.attempts + 1 if attempts is None else attempts,
            host=self._workplace.host,
            worker=self._workplace.label,
            time=now,
            first_seen=delivery.first_seen or now,
        )
        self._consumer.bury(delivery, failure)
        if not traceback_text:
            self._workplace.reports.given_up(delivery, reason)
        self._tally.count_dead(delivery.queue)
        self._workplace.console.warn(
            f"queue {delivery.queue}: an event is given up: {reason}",
            queue=delivery.queue,
            attempts=failure.attempts,
            error=reason,
        )


def decode(delivery: Delivery) -> Event:
    """The event in a delivery. Raises `ValueError` when its body is no JSON object."""
    return Event(
        queue=delivery.queue,
        body=delivery.body,
        tag=delivery.tag,
        attempts=delivery.attempts,
        redelivered=delivery.redelivered,
        first_seen=delivery.first_seen,
        payload=parse(delivery.body),
    )


def _checked(returned: Iterable[Rejected], events: Sequence[Event]) -> list[Rejected]:
    """What a worker returned, if it keeps to the rules. Raises `TypeError` when it does not."""
    rejected = list(returned)
    tags = {event.tag for event in events}
    for each in rejected:
        if not isinstance(each, Rejected) or each.event.tag not in tags:
            raise TypeError("the worker returned something other than Rejected(event, reason)")
    return rejected


def _traceback(error: BaseException) -> str:
    """The end of the traceback, which is where the reason is."""
    return "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"
