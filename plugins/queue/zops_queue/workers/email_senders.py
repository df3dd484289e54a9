"""Queues `email_senders` and `deferred_email_senders`: mail, through an SMTP server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from zcore.broker import Rejected, is_rabbitmq
from zcore.errors import ZopsError
from zops_queue.plugin import MAIL_SECONDS
from zops_queue.workers import kept_by_thread, needs_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Event, WorkContext
    from zops_queue.mail.sending import Sending

# What a server has mailed by these queues, beside what zops causes itself.
SERVER_TEMPLATES = (
    "zerver/emails/digest",
    "zerver/emails/invitation",
    "zerver/emails/invitation_reminder",
    "zerver/emails/missed_message",
    "zerver/emails/notify_new_login",
)

_of_thread = threading.local()


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Send the mails that `events` ask for.

    Rejected are those that can never be sent, and those of which nobody knows whether they were.
    """
    sending = kept_by_thread(_of_thread, lambda here: _new_sending(here, context))
    found = ((event, sending.send(event, context)) for event in events)
    return [Rejected(event, reason) for event, reason in found if reason]


def ready(context: Context) -> str:
    """Ready when it is known where the mail server is, whom mail is from, and to whom it goes."""
    from zops_queue.mail.sender import find_sender
    from zops_queue.mail.server import find_server

    try:
        find_server(context.settings, context.setting(MAIL_SECONDS))
        find_sender(context.settings)
    except ZopsError as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return needs_database(context)


def partial(context: Context) -> str:
    """Which mails of a server nobody here has the text of."""
    from zops_queue.mail.texts import HOOK, find_templates

    if not is_rabbitmq(context.settings.broker):
        return ""
    known = find_templates(context)
    missing = [name.rpartition("/")[2] for name in SERVER_TEMPLATES if name not in known]
    if not missing:
        return ""
    return f"nobody has the text of the server's mails {', '.join(missing)} (hook {HOOK})"


def _new_sending(context: Context, work: WorkContext) -> Sending:
    from zops_queue.mail.marks import Marks
    from zops_queue.mail.sender import find_sender
    from zops_queue.mail.sending import Sending
    from zops_queue.mail.server import find_server
    from zops_queue.mail.smtp import Mailer
    from zops_queue.mail.texts import find_templates

    marks = Marks(work.database)
    marks.forget_old(work.clock())
    server = find_server(context.settings, context.setting(MAIL_SECONDS))
    mailer = Mailer(server)
    context.at_end(mailer.close)
    return Sending(find_templates(context), find_sender(context.settings), marks, mailer)
