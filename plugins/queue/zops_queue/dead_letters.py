"""Choosing among dead letters: back to their queue, or thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from zcore.broker import utc_now
from zcore.errors import Refused, UsageError
from zcore.values import Finding, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Broker, DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters of a queue are meant: those that are everything that is said here.

    `ids` are theirs; they were given up longer ago than `older_than` and less long ago than
    `newer_than`; `error` is a part of what they say.
    """

    ids: tuple[str, ...] = ()
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    error: str = ""

    @property
    def is_everything(self) -> bool:
        """Is nothing said?"""
        return self == Selection()

    def at(self, now: datetime) -> Chosen:
        """The same, for dead letters as they are looked at one by one."""
        return Chosen(
            ids=frozenset(self.ids),
            before=now - self.older_than if self.older_than else None,
            after=now - self.newer_than if self.newer_than else None,
            error=self.error,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A selection with times instead of ages. Called with a dead letter it says yes or no."""

    ids: frozenset[str]
    before: datetime | None
    after: datetime | None
    error: str

    def __call__(self, letter: DeadLetter) -> bool:
        """Is it meant?"""
        time = letter.failure.time
        return (
            (not self.ids or letter.id in self.ids)
            and (self.before is None or time < self.before)
            and (self.after is None or time > self.after)
            and self.error in letter.failure.error
        )


def replay(broker: Broker, queue: str, selection: Selection) -> Result:
    """Put dead letters back on their queue."""
    ids = broker.replay(queue, selection.at(utc_now()))
    return Result(
        {"queue": queue, "replayed": len(ids), "ids": list(ids)},
        text=f"put {len(ids)} dead letters back on {queue}",
        findings=_not_found(queue, selection, ids),
    )


def drop(context: Context, broker: Broker, queue: str, selection: Selection, yes: bool) -> Result:
    """Throw away dead letters, if that is really meant."""
    question = f"Throw away dead letters of {queue} at {broker.name} for ever?"
    if not yes and not context.console.confirm(question):
        raise Refused("nothing was thrown away", code="not-confirmed")
    ids = broker.drop(queue, selection.at(utc_now()))
    return Result(
        {"queue": queue, "dropped": len(ids), "ids": list(ids)},
        text=f"threw away {len(ids)} dead letters of {queue}",
        findings=_not_found(queue, selection, ids),
    )


def require_one_or_all(selection: Selection, everything: bool) -> None:
    """Raise `UsageError` unless it is said which dead letters are meant, or that all are."""
    if selection.is_everything == everything:
        return
    raise UsageError(
        "choose dead letters or say --all, not both" if everything else "which dead letters?",
        hint="--id, --error, --older-than or --newer-than choose some, --all takes all",
    )


def _not_found(queue: str, selection: Selection, found: Sequence[str]) -> list[Finding]:
    return [
        Finding(
            "no-dead-letter",
            f"there is no dead letter {missing} that is meant",
            where=queue,
            hint=f"'zops queue dead {queue}' shows them",
        )
        for missing in dict.fromkeys(selection.ids)
        if missing not in set(found)
    ]
