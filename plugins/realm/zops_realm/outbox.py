"""Events that wait for the commit, and then go to the server's broker."""

from __future__ import annotations

import json
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from zcore import Refused, ZopsError
from zcore.broker import is_rabbitmq, publish_events

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zcore import Context

NOT_TOLD = "a running server is not told: its mails about this change are not sent"
IN_MEMORY_BYTES = 1 << 20


def require_server_broker(context: Context, hint: str) -> None:
    """Raise `Refused` where it is not known who has the server's queues."""
    if not is_rabbitmq(context.settings.broker):
        raise Refused(
            "the mails are sent by the server, whose broker is not known",
            code="no-broker",
            hint=hint,
        )


class Outbox:
    """Events in the order in which they were put in. Many of them lie in a file without a name."""

    def __init__(self) -> None:
        self._lines = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115  # see close()
        self._queues: dict[str, None] = {}

    def put(self, queue: str, payload: Mapping[str, object]) -> None:
        """One more event for `queue`."""
        self._queues[queue] = None
        self._lines.write(json.dumps([queue, payload]).encode() + b"\n")

    def position(self) -> int:
        """Where it ends now, for `back_to`."""
        return self._lines.tell()

    def back_to(self, position: int) -> None:
        """Forget what was put in since `position()` said this: it has not happened."""
        self._lines.seek(position)
        self._lines.truncate()

    def send(self, context: Context) -> None:
        """Publish everything, where there is a server to hear it.

        That the broker cannot be reached is one warning: what the events are about has happened.
        """
        if self.position() == 0 or not context.database.is_server:
            return
        if not is_rabbitmq(context.settings.broker):
            context.console.warn(f"{NOT_TOLD} (set ZOPS_BROKER to the URL of its RabbitMQ)")
            return
        try:
            for queue in self._queues:
                publish_events(context, queue, self.events_of(queue))
        except ZopsError as error:
            context.console.warn(f"{NOT_TOLD}: {error.message}")

    def close(self) -> None:
        """Give the file back."""
        self._lines.close()

    def events_of(self, queue: str) -> Iterator[Mapping[str, object]]:
        """What was put in for `queue`, in order."""
        self._lines.seek(0)
        for line in self._lines:
            name, payload = json.loads(line)
            if name == queue:
                yield payload
