"""One change to organizations or accounts: a transaction, and what follows its commit."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore import ZopsError
from zcore.broker import publish_events
from zcore.crash_points import crash_point
from zcore.database_errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sqlalchemy as sa

    from zcore import Change, Context

SERVER_BROKERS = ("amqp", "amqps")
NOT_TOLD = "a running server is not told: its mails about this change are not sent"


@dataclass(slots=True)
class Work:
    """What a command does its writing with. `now` is the time of all of it."""

    context: Context
    connection: sa.Connection
    now: datetime
    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def publish(self, queue: str, payload: Mapping[str, object]) -> None:
        """Send an event to the server's queue after the commit, where there is a server."""
        self.events.append((queue, payload))

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
    changes. That the broker cannot be reached is one warning: the change stands.
    """
    with context.database.begin() as connection:
        work = Work(context, connection, datetime.now(UTC))
        yield work
    crash_point("after-commit")
    _send(context, work.events)
    for change in work.changes:
        context.committed(change)


def _send(context: Context, events: list[tuple[str, Mapping[str, object]]]) -> None:
    if not events or not context.database.is_server:
        return
    if context.settings.broker.partition("://")[0].lower() not in SERVER_BROKERS:
        context.console.warn(f"{NOT_TOLD} (set ZOPS_BROKER to the URL of its RabbitMQ)")
        return
    queues = dict.fromkeys(queue for queue, _ in events)
    try:
        for queue in queues:
            publish_events(context, queue, (payload for name, payload in events if name == queue))
    except ZopsError as error:
        context.console.warn(f"{NOT_TOLD}: {error.message}")
