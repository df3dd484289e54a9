"""Helpers that take from a broker in the tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore.broker import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zcore.broker import Consumer, Delivery

FAILURE = Failure(
    error="ValueError: no good",
    traceback="Traceback:\n  the end ü\n",
    attempts=3,
    host="worker-host",
    worker="zops.1",
    time=datetime(2025, 1, 31, 12, 30, tzinfo=UTC),
    first_seen=datetime(2025, 1, 31, 11, 0, 0, 5, tzinfo=UTC),
)


def receive(consumer: Consumer, queue: str, count: int, seconds: float = 10) -> Sequence[Delivery]:
    """Exactly `count` deliveries, however many waits it takes. Fails after `seconds`."""
    until(lambda: consumer.wait(0.05) or consumer.held(queue) >= count, seconds)
    return consumer.take(queue, count)


def nothing_comes(consumer: Consumer, queue: str, seconds: float = 0.3) -> bool:
    """Does nothing come within `seconds`?"""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not consumer.held(queue):
        consumer.wait(0.05)
    return not consumer.held(queue)


def until(happened: Callable[[], object], seconds: float = 10) -> None:
    """Wait until `happened()`. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
