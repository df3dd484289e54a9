"""Errors of workers for Sentry: what went wrong where, without what events say.

Sentry's library sends from a thread of its own, and drops what it cannot keep up with.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import deque
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, cast

import sentry_sdk

from zcore.scrubbing import scrub_report, scrub_value, texts_in
from zcore.sentry import SECONDS_TO_FLUSH, client_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sentry_sdk.types import Event as Report

    from zcore.broker import Delivery, Event

MOST_IN_A_MINUTE = 60


class SentryReports:
    """Reports to the Sentry at `dsn`; see `Reports`. Raises `ValueError` when that is none."""

    def __init__(self, dsn: str, worker: str, shares: Mapping[str, float], *, bodies: bool) -> None:
        self._worker = worker
        self._shares = shares
        self._bodies = bodies
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()  # when the last reports were made
        # which calls are timed is decided here
        sentry_sdk.init(**client_options(dsn), traces_sample_rate=1.0)

    def failed(self, event: Event, error: BaseException, *, is_last: bool) -> None:
        """An error, with one fingerprint for each worker and kind of exception."""
        if self._has_room():
            self._report_error(event, error, is_last)

    def given_up(self, delivery: Delivery, reason: str) -> None:
        """A message, with one fingerprint for each worker and reason, whatever its numbers are."""
        if self._has_room():
            self._report_message(delivery, reason)

    def call(self, queue: str, events: Sequence[Event]) -> AbstractContextManager[object]:
        """A transaction, for some of the calls."""
        share = self._shares.get(queue, self._shares.get("", 0.0))
        if random.random() >= share:  # noqa: S311 # no secret
            return nullcontext()
        return self._transaction(queue, len(events))

    def close(self) -> None:
        """Send what waits to be sent, if that does not take long."""
        with suppress(Exception):
            sentry_sdk.get_client().close(timeout=SECONDS_TO_FLUSH)
            sentry_sdk.get_global_scope().set_client(None)

    def _has_room(self) -> bool:
        """May another one be sent? A flood would say no more than its beginning, and cost time."""
        now = time.monotonic()
        with self._lock:
            while self._sent and self._sent[0] < now - 60:
                self._sent.popleft()
            if len(self._sent) >= MOST_IN_A_MINUTE:
                return False
            self._sent.append(now)
        return True

    def _report_error(self, event: Event, error: BaseException, is_last: bool) -> None:
        with suppress(Exception), self._about(event) as scope:
            scope.fingerprint = ["zops", event.queue, type(error).__name__]
            scope.set_level("error" if is_last else "warning")
            scope.capture_exception(error)

    def _report_message(self, delivery: Delivery, reason: str) -> None:
        with suppress(Exception), self._about(delivery) as scope:
            words = " ".join(word for word in reason.split() if word.isalpha())
            scope.fingerprint = ["zops", delivery.queue, words]
            scope.capture_message(f"an event of {delivery.queue} is given up: {reason}", "error")

    @contextmanager
    def _about(self, delivery: Delivery) -> Iterator[sentry_sdk.Scope]:
        """A scope that says which event it is about, and no more of it than was asked for."""
        payload = getattr(delivery, "payload", None)
        texts = [] if self._bodies else texts_in(payload)
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("queue", delivery.queue)
            scope.set_tag("worker", self._worker)
            scope.set_tag("attempt", str(delivery.attempts + 1))
            scope.set_context("queued event", self._described(delivery))
            scope.add_event_processor(lambda report, hint: _scrubbed(report, texts))
            yield scope

    def _described(self, delivery: Delivery) -> dict[str, object]:
        about: dict[str, object] = {
            "bytes": len(delivery.body),
            "sha256": hashlib.sha256(delivery.body).hexdigest(),
            "redelivered": delivery.redelivered,
        }
        payload = getattr(delivery, "payload", None)
        if self._bodies and payload is not None:
            about["body"] = scrub_value(payload)
        return about

    @contextmanager
    def _transaction(self, queue: str, events: int) -> Iterator[None]:
        transaction: Any = None
        with suppress(Exception):
            transaction = sentry_sdk.start_transaction(
                op="task", name=f"consume {queue}", sampled=True
            )
            transaction.set_tag("queue", queue)
            transaction.set_data("events", events)
        try:
            yield
        except BaseException:
            with suppress(Exception):
                transaction.set_status("internal_error")
            raise
        finally:
            with suppress(Exception):
                transaction.finish()


def _scrubbed(report: Report, texts: Sequence[str]) -> Report | None:
    """The report, fit to leave; None when it cannot be made so."""
    try:
        return cast("Report", scrub_report(cast("dict[str, Any]", report), texts))
    except Exception:  # noqa: BLE001 # it would be sent as it is
        return None
