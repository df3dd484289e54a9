"""Running a queue worker on events, without a broker."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from zcore.broker import Clock, Event, Rejected, WorkContext, encode_event, utc_now
from zcore.targets import resolve
from zcore.testing.settings import settings_of
from zcore.values import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zcore.database import Database
    from zcore.settings import Settings

    Handle = Callable[[Sequence[Event], WorkContext], Iterable[Rejected] | None]


@dataclass(frozen=True, slots=True)
class Worked:
    """What a worker did with its events.

    `published` are (queue, payload) in order; `rejected` what it said can never be handled.
    """

    published: tuple[tuple[str, Any], ...]
    rejected: tuple[Rejected, ...]

    @property
    def reasons(self) -> list[str]:
        """Why events were rejected."""
        return [each.reason for each in self.rejected]


def work(
    worker: Worker | Handle,
    payloads: Iterable[Mapping[str, object]],
    *,
    database: Database | None = None,
    settings: Settings | None = None,
    clock: Clock = utc_now,
) -> Worked:
    """Give `worker` events with these payloads, as `zops process-queue` would.

    A `Worker` gets them in batches of its size, a function all at once. What the worker raises
    comes out, and nothing is tried again. Raises `TypeError` when it returns something other than
    rejected events of its own.
    """
    handle = _handle(worker)
    published: list[tuple[str, Any]] = []
    rejected: list[Rejected] = []

    def publish(queue: str, payload: Mapping[str, object]) -> None:
        published.append((queue, json.loads(encode_event(payload))))

    def open_database() -> Database:
        assert database is not None, "the worker asks for a database: work(..., database=...)"  # noqa: S101 # a test's mistake
        return database

    context = WorkContext(settings or settings_of(), publish, clock, open_database)
    for events in _batches(worker, payloads):
        rejected += _checked(handle(events, context) or (), events)
    return Worked(tuple(published), tuple(rejected))


def _handle(worker: Worker | Handle) -> Handle:
    if isinstance(worker, Worker):
        return cast("Handle", resolve(worker.target, owner=f"the worker of {worker.queue!r}"))
    return worker


def _batches(
    worker: Worker | Handle, payloads: Iterable[Mapping[str, object]]
) -> Iterable[list[Event]]:
    queue = worker.queue if isinstance(worker, Worker) else "test"
    events = iter([_event(queue, tag, payload) for tag, payload in enumerate(payloads, 1)])
    size = max(1, worker.batch) if isinstance(worker, Worker) else None
    return iter(lambda: list(itertools.islice(events, size)), [])


def _event(queue: str, tag: int, payload: Mapping[str, object]) -> Event:
    body = encode_event(payload)
    return Event(queue=queue, body=body, tag=tag, payload=json.loads(body))


def _checked(returned: Iterable[Rejected], events: Sequence[Event]) -> list[Rejected]:
    rejected = list(returned)
    for each in rejected:
        if not isinstance(each, Rejected) or each.event not in events:
            raise TypeError(f"the worker returned {each!r}, not Rejected(event, reason)")
    return rejected
