"""An event of the mail queues, done: its letters written and sent, each of them once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.crash_points import crash_point
from zcore.errors import Unreachable, ZopsError
from zcore.schema.users import zerver_userprofile
from zops_queue.mail.addresses import MailAddress, parse_address, parse_mailbox
from zops_queue.mail.fates import MailDelayed, MailInDoubt, MailRefused
from zops_queue.mail.letter import Letter, write_letter
from zops_queue.mail.order import read_order
from zops_queue.mail.organization import find_organization
from zops_queue.mail.texts import write
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zcore import MailTemplate
    from zcore.broker import Clock, Event, WorkContext
    from zcore.database import Database
    from zops_queue.mail.marks import Marks
    from zops_queue.mail.order import MailOrder
    from zops_queue.mail.sender import Sender
    from zops_queue.mail.smtp import Mailer

KILLED = "somebody who sent it was stopped before the mail server had answered"


@dataclass(slots=True)
class Outcome:
    """What became of the letters of one event, in words where it is not that they were sent."""

    sent: int = 0
    never: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)

    def reason(self) -> str:
        """Why the event can never be done; empty when it is. Raises `MailDelayed`."""
        if self.later:
            raise MailDelayed("; ".join([*self.never, *self.later]))
        if self.never and self.sent:
            return "; ".join([*self.never, f"{self.sent} others were sent"])
        return "; ".join(self.never)


@dataclass(frozen=True, slots=True)
class Sending:
    """Everything that sending needs. For one thread."""

    templates: Mapping[str, MailTemplate]
    sender: Sender
    marks: Marks
    mailer: Mailer

    def send(self, event: Event, context: WorkContext) -> str:
        """Send what `event` asks for. Returns why that can never be done, "" when it is.

        Raises `MailDelayed` when the mail server wants it later, `Unreachable` when a service is
        away and nothing was sent.
        """
        try:
            letters = self._letters(event, context)
        except BadField as problem:
            return str(problem)
        outcome = Outcome()
        for letter in letters:
            try:
                self._send_once(letter, event, context.clock)
                outcome.sent += 1
            except (MailRefused, MailInDoubt) as error:
                outcome.never.append(str(error))
            except MailDelayed as error:
                outcome.later.append(str(error))
            except Unreachable as error:
                if not outcome.sent:
                    raise
                # Called again, we would not know that some of it is done; tried again, we do.
                outcome.later.append(f"{letter.recipient.spec}: {error.message}")
        return outcome.reason()

    def _letters(self, event: Event, context: WorkContext) -> list[Letter]:
        order = read_order(event.payload)
        text = write(order, self.templates)
        now, about = context.clock(), find_organization(order, context)
        return [
            write_letter(order, text, self.sender, recipient, now, about)
            for recipient in _recipients(order, context)
        ]

    def _send_once(self, letter: Letter, event: Event, clock: Clock) -> None:
        """Send a letter unless it may have been sent. Raises what `Mailer.send` does."""
        again = _may_be_begun(event)
        state = self.marks.state(letter.key) if again or letter.is_unique else None
        if state == "sent":
            return
        if state == "begun" and again:
            raise MailInDoubt(f"{letter.recipient.spec}: in doubt: {KILLED}")

        def mark() -> None:
            self.marks.put(letter.key, "begun", clock())
            crash_point("mail:before-dot")

        try:
            self.mailer.send(letter, mark)
        except (MailRefused, MailDelayed):
            with contextlib.suppress(ZopsError):  # the mark that stays calls it in doubt, no more
                self.marks.remove(letter.key)
            raise
        crash_point("mail:after-dot")
        with contextlib.suppress(ZopsError):  # it is sent: nothing may say that it is not
            self.marks.put(letter.key, "sent", clock())
        crash_point("mail:sent")


def _may_be_begun(event: Event) -> bool:
    """Could another attempt have sent some of it?

    Of an event that is here for the first time a mark speaks of another one that says the same.
    """
    return event.redelivered or event.attempts > 0


def _recipients(order: MailOrder, context: WorkContext) -> list[MailAddress]:
    if order.addresses:
        return [parse_mailbox(address) for address in order.addresses]
    found = _accounts(context.database, order.user_ids)
    if missing := [user_id for user_id in order.user_ids if user_id not in found]:
        raise BadField(f"no user {missing[0]}")
    return [parse_address(*found[user_id]) for user_id in order.user_ids]


def _accounts(database: Database, user_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Address and name by id."""
    users = zerver_userprofile.c
    chosen = sa.select(users.id, users.delivery_email, users.full_name)
    chosen = chosen.where(users.id.in_(user_ids))
    with database.read() as connection:
        rows = connection.execute(chosen).all()
    return {row.id: (row.delivery_email, row.full_name) for row in rows}
