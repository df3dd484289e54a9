"""What `zops queue` shows: as text for people, as data for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.console import table
from zcore.text import one_line
from zcore.values import Result
from zops_queue.event_json import parse
from zops_queue.names import is_server_queue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.broker import DeadLetter, Delivery, QueueState

WIDEST = 100  # characters of an event in a table
COUNTS = ("ready", "in_hand", "delayed", "dead", "consumers")


def states(found: Sequence[QueueState], with_worker: set[str]) -> Result:
    """The result of `queue list`."""
    data = [_state(state, with_worker) for state in found]
    columns = ("queue", "ready", "in_hand", "delayed", "dead", "handled_by")
    rows = [[_cell(row[column]) for column in columns] for row in data]
    headings = ("QUEUE", "READY", "IN HAND", "DELAYED", "DEAD", "HANDLED BY")
    text = table(headings, rows) if rows else "no queues"
    return Result({"queues": data}, text=text)


def stats(found: Sequence[QueueState]) -> Result:
    """The result of `queue stats`; a total of what nobody can tell is not told either."""
    rows = [_counts(state) for state in found]
    columns = list(zip(*rows, strict=True)) or [(0,)] * len(COUNTS)
    total = [None if None in column else sum(each or 0 for each in column) for column in columns]
    data = [
        {"queue": state.queue, **dict(zip(COUNTS, row, strict=True))}
        for state, row in zip(found, rows, strict=True)
    ]
    lines = [[each.queue, *map(_cell, row)] for each, row in zip(found, rows, strict=True)]
    headings = ("QUEUE", "READY", "IN HAND", "DELAYED", "DEAD", "CONSUMERS")
    text = table(headings, [*lines, ["all", *map(_cell, total)]])
    return Result({"queues": data, "total": dict(zip(COUNTS, total, strict=True))}, text=text)


def _counts(state: QueueState) -> tuple[int | None, ...]:
    return (state.ready, state.in_hand, state.delayed, state.dead, state.consumers)


def deliveries(queue: str, found: Sequence[Delivery]) -> Result:
    """The result of `queue peek`."""
    data = [
        {**_body(each.body), "attempts": each.attempts, "redelivered": each.redelivered}
        for each in found
    ]
    rows = [(each.attempts, _shown(each.body)) for each in found]
    text = table(("ATTEMPTS", "EVENT"), rows) if rows else f"nothing is ready in {queue}"
    return Result({"queue": queue, "events": data}, text=text)


def dead_letters(queue: str, found: Sequence[DeadLetter], total: int) -> Result:
    """The result of `queue dead`."""
    rows = [
        (each.id, f"{each.failure.time:%Y-%m-%d %H:%M}", each.failure.attempts, each.failure.error)
        for each in found
    ]
    text = (
        table(("ID", "TIME", "ATTEMPTS", "ERROR"), rows) if rows else f"no dead letters in {queue}"
    )
    data = [_dead_letter(each) for each in found]
    return Result({"queue": queue, "dead": total, "dead_letters": data}, text=text)


def _state(state: QueueState, with_worker: set[str]) -> dict[str, object]:
    return {
        "queue": state.queue,
        "ready": state.ready,
        "in_hand": state.in_hand,
        "delayed": state.delayed,
        "dead": state.dead,
        "consumers": state.consumers,
        "worker": state.queue in with_worker,
        "handled_by": _handled_by(state.queue, with_worker),
    }


def _handled_by(queue: str, with_worker: set[str]) -> str | None:
    """Who has a worker for `queue`: zops, else the server; None when nobody has."""
    if queue in with_worker:
        return "zops"
    return "the server" if is_server_queue(queue) else None


def _dead_letter(letter: DeadLetter) -> dict[str, object]:
    failure = letter.failure
    return {
        "id": letter.id,
        **_body(letter.body),
        "error": failure.error,
        "traceback": failure.traceback,
        "attempts": failure.attempts,
        "host": failure.host,
        "worker": failure.worker,
        "time": failure.time.isoformat(),
        "first_seen": failure.first_seen.isoformat() if failure.first_seen else None,
    }


def _body(body: bytes) -> dict[str, object]:
    """The event, or, when it is none, its text."""
    try:
        return {"event": parse(body)}
    except ValueError:
        return {"event": None, "body": body.decode("utf-8", "backslashreplace")}


def _shown(body: bytes) -> str:
    text = one_line(body.decode("utf-8", "backslashreplace"))
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _cell(value: object) -> str:
    return "?" if value is None else str(value)
