"""Whom the workers report errors to: nobody, or Sentry when a DSN is set."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from zcore.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zcore import Context
    from zcore.broker import Delivery, Event


class Reports(Protocol):
    """Used by the threads of a run. No call waits, and none raises."""

    def failed(self, event: Event, error: BaseException, *, is_last: bool) -> None:
        """A worker raised `error`; the event is tried again, unless that `is_last`."""

    def given_up(self, delivery: Delivery, reason: str) -> None:
        """An event became a dead letter without an exception: rejected, or no event at all."""

    def call(self, queue: str, events: Sequence[Event]) -> AbstractContextManager[object]:
        """Around a call of the worker of `queue`, which takes its time."""


class NoReports:
    """To nobody."""

    def failed(self, event: Event, error: BaseException, *, is_last: bool) -> None:
        """Say nothing."""

    def given_up(self, delivery: Delivery, reason: str) -> None:
        """Say nothing."""

    def call(self, queue: str, events: Sequence[Event]) -> AbstractContextManager[object]:
        """Do nothing."""
        return nullcontext()


def shares_of(texts: Sequence[str]) -> dict[str, float]:
    """Shares from 0 to 1 by queue ("" for all others), of texts like `0.1` and `QUEUE=0.1`.

    Raises `Refused`.
    """
    shares = {}
    for text in texts:
        queue, _, number = text.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise Refused(
                f"{text!r} is not a share from 0 to 1", hint="write 0.1, or QUEUE=0.1 for one queue"
            )
        shares[queue] = share
    return shares


def reports_for(
    context: Context, worker: str, shares: Mapping[str, float], *, bodies: bool
) -> Reports:
    """The reports of a run, sent until the end of it; `worker` tells it from others.

    `shares` says for a queue what share of the calls is timed ("" stands for all other queues);
    `bodies` sends along what the events say.
    """
    dsn = context.settings.sentry_dsn
    if not dsn:
        return NoReports()
    from zops_queue.watching.sentry import SentryReports

    try:
        reports = SentryReports(dsn, worker, shares, bodies=bodies)
    except ValueError as error:
        context.console.warn(f"errors are not reported: the setting 'sentry_dsn': {error}")
        return NoReports()
    context.at_end(reports.close)
    return reports
