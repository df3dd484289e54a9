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

NO_BROKER = ""  # why nothing was sent: it is not known where
UNSENT = "unsent"  # the detail of a change that says why
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

    def send(self, context: Context) -> str | None:
        """Publish everything, where there is a server to hear it.

        Returns why that could not be done, `NO_BROKER` or what went wrong; None when nothing is
        left unsent. What the events are about has happened all the same.
        """
        if self.position() == 0 or not context.database.is_server:
            return None
        if not is_rabbitmq(context.settings.broker):
            return NO_BROKER
        try:
            for queue in self._queues:
                publish_events(context, queue, self.events_of(queue))
        except ZopsError as error:
            return f"{error.message} ({error.hint})" if error.hint else error.message
        return None

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
