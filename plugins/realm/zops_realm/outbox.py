"""Events that wait for the commit, and then go to the server's broker; mail also to our own."""

from __future__ import annotations

import json
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

from zcore import Refused, ZopsError
from zcore.broker import is_rabbitmq, publish_events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zcore import Context

NO_BROKER = ""  # why nothing was sent: it is not known where
UNSENT = "unsent"  # the detail of a change that says why
MAIL_QUEUES = ("deferred_email_senders", "email_senders")
IN_MEMORY_BYTES = 1 << 20


def is_server_told(context: Context) -> bool:
    """Is there a server, and is it known where its queues are?"""
    return context.database.is_server and is_rabbitmq(context.settings.broker)


def is_mail_ours(context: Context) -> bool:
    """Do our own workers send mail? Where a mail server is known, and nobody else does it."""
    return bool(context.settings.smtp_url) and not is_server_told(context)


def require_mail(context: Context, hint: str) -> None:
    """Raise `Refused` where nobody is known who could send mail."""
    if not is_rabbitmq(context.settings.broker) and not is_mail_ours(context):
        raise Refused(
            "the mails are sent by the server, whose broker is not known",
            code="no-broker",
            hint=f"{hint}, or ZOPS_SMTP_URL for zops to send them",
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
        """Publish everything, where there is a server to hear it; mail, where we send it.

        Returns why that could not be done, `NO_BROKER` or what went wrong; None when nothing is
        left unsent. What the events are about has happened all the same.
        """
        if self.position() == 0:
            return None
        if is_server_told(context):
            return self._publish(context, self._queues)
        ours = [queue for queue in self._queues if queue in MAIL_QUEUES and is_mail_ours(context)]
        if reason := self._publish(context, ours):
            context.console.warn(f"the mails about this change are not sent: {reason}")
        elif ours:
            context.console.note(f"'zops process-queue {' '.join(ours)}' sends the mails")
        is_left = context.database.is_server and bool(self._queues.keys() - ours)
        return NO_BROKER if is_left else None

    def _publish(self, context: Context, queues: Iterable[str]) -> str | None:
        """Publish what is for `queues`. Returns why that could not be done."""
        try:
            for queue in queues:
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
