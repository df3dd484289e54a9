"""Publishing again what a Zulip server's own workers wrote into an error file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zcore.values import Finding, Result
from zops_queue.error_file import Unreadable, locked, read_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zcore import Context
    from zcore.broker import Broker

MOST_SHOWN = 100
REPLAYED = ".replayed"


def replay_file(
    context: Context, broker: Broker, queue: str, path: Path, *, rename: bool
) -> Result:
    """Publish every event in the error file `path` to `queue`.

    With `rename` the file then gets another name, so that nobody replays it again; the server's
    workers wait meanwhile and begin a new one. What is no event is a finding.
    """
    unreadable: list[Unreadable] = []
    with _explained(path), locked(path):
        with path.open("rb") as stream:

            def events() -> Iterator[bytes]:
                for event in read_events(stream):
                    context.stop.check()
                    if isinstance(event, Unreadable):
                        unreadable.append(event)
                    else:
                        yield event

            published = broker.publish(queue, events())
        renamed = _renamed(path) if rename else None
    return _result(queue, published, unreadable, renamed or path, renamed)


def _renamed(path: Path) -> Path:
    """Give the file a name that is free, and return it."""
    number = 1
    target = path.with_name(f"{path.name}{REPLAYED}")
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}{REPLAYED}.{number}")
    path.rename(target)
    return target


def _result(
    queue: str, published: int, unreadable: list[Unreadable], path: Path, renamed: Path | None
) -> Result:
    data = {
        "queue": queue,
        "replayed": published,
        "unreadable": len(unreadable),
        "renamed": str(renamed) if renamed else None,
    }
    text = f"put {published} events of the error file on {queue}"
    if renamed:
        text += f"; it is called {renamed} now"
    findings = [
        Finding(
            "unreadable",
            each.reason,
            where=f"{path}, line {each.line}",
            hint="it was passed over; correct it, and send it with 'zops queue publish'",
        )
        for each in unreadable[:MOST_SHOWN]
    ]
    if (more := len(unreadable) - MOST_SHOWN) > 0:
        findings.append(Finding("unreadable", f"and {more} more", where=str(path)))
    return Result(data, text=text, findings=findings)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(
            f"cannot read or rename {path}: {error.strerror}", code="unreadable"
        ) from error
