"""One change to organizations or accounts: a transaction, and what follows its commit."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore.crash_points import crash_point
from zcore.database_errors import translated
from zops_realm.outbox import UNSENT, Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import sqlalchemy as sa

    from zcore import Change, Context


@dataclass(slots=True)
class Work:
    """What a command does its writing with. `now` is the time of all of it."""

    context: Context
    connection: sa.Connection
    now: datetime
    outbox: Outbox
    changes: list[Change] = field(default_factory=list)

    def publish(self, queue: str, payload: Mapping[str, object]) -> None:
        """Send an event to the server's queue after the commit, where there is a server."""
        self.outbox.put(queue, payload)

    def changed(self, change: Change) -> None:
        """Tell all plugins of `change` after the commit."""
        self.changes.append(change)

    def call_hook(self, name: str, created: object) -> None:
        """Call a hook that may write; whatever it raises takes this work back.

        Raises what `zcore.plugins.Plugins.call_all` raises.
        """
        context = self.context
        context.plugins.call_all(
            name,
            around=lambda: translated(context.database),
            created=created,
            context=context,
        )


@contextmanager
def changing(context: Context) -> Iterator[Work]:
    """One transaction: all of it is committed at the end, none of it when something raises.

    After the commit the server hears of the events that were published, and the plugins of the
    changes.
    """
    with closing(Outbox()) as outbox:
        with writing(context, outbox) as work:
            yield work
        tell(context, outbox, work.changes)


@contextmanager
def writing(context: Context, outbox: Outbox) -> Iterator[Work]:
    """One transaction, of several whose news are told together (`tell`) by the caller."""
    before = outbox.position()
    try:
        with context.database.begin() as connection:
            work = Work(context, connection, datetime.now(UTC), outbox)
            yield work
    except BaseException:
        outbox.back_to(before)
        raise
    crash_point("after-commit")


def tell(context: Context, outbox: Outbox, changes: Iterable[Change]) -> None:
    """Tell the server and the plugins of what has been committed.

    A change whose events could not be sent says why, in its details.
    """
    reason = outbox.send(context)
    for change in changes:
        if reason is not None:
            change = replace(change, details={**change.details, UNSENT: reason})
        context.committed(change)
