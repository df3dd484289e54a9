"""Mails that wait for their day (`zerver_scheduledemail`), and whom they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.queues import zerver_scheduledemail, zerver_scheduledemail_users

if TYPE_CHECKING:
    from collections.abc import Collection


def drop_scheduled_emails(connection: sa.Connection, user_ids: Collection[int]) -> None:
    """Delete what waits for these accounts; a mail that is for others, too, stays for them."""
    mails, receivers = zerver_scheduledemail, zerver_scheduledemail_users
    theirs = receivers.c.userprofile_id.in_(user_ids)
    mail_ids = connection.scalars(sa.select(receivers.c.scheduledemail_id).where(theirs)).all()
    connection.execute(sa.delete(receivers).where(theirs))
    left = sa.exists().where(receivers.c.scheduledemail_id == mails.c.id)
    connection.execute(sa.delete(mails).where(mails.c.id.in_(mail_ids), sa.not_(left)))
