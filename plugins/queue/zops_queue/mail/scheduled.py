"""Mails that wait in the database for their day (`zerver_scheduledemail`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.broker import encode_event
from zcore.crash_points import crash_point
from zcore.schema.queues import zerver_scheduledemail, zerver_scheduledemail_users
from zops_queue.event_json import parse
from zops_queue.mail.order import SCHEDULED

if TYPE_CHECKING:
    from datetime import datetime

    from zcore.broker import Broker
    from zcore.database import Database
    from zcore.signals import StopFlag

QUEUE = "deferred_email_senders"


def publish_due(database: Database, broker: Broker, now: datetime, stop: StopFlag) -> int:
    """Publish the mails whose time has come, the earliest first, and return how many.

    A mail leaves the database after the broker has it, so a kill in between publishes it twice;
    its number goes with it, by which the worker knows the second one.
    """
    published = 0
    while not stop.is_set() and _publish_one(database, broker, now):
        published += 1
    return published


def _publish_one(database: Database, broker: Broker, now: datetime) -> bool:
    """Publish the earliest that is due and that nobody else has in hand. Was there one?"""
    mails = zerver_scheduledemail.c
    earliest = sa.select(zerver_scheduledemail).where(mails.scheduled_timestamp <= now)
    earliest = earliest.order_by(mails.scheduled_timestamp, mails.id).limit(1)
    with database.begin() as connection:
        mail = connection.execute(earliest.with_for_update(skip_locked=True)).first()
        if mail is None:
            return False
        if body := _event(connection, mail):
            broker.publish(QUEUE, [body])
        crash_point("scheduled-mail:published")
        _delete(connection, mail.id)
    return True


def _event(connection: sa.Connection, mail: sa.Row[Any]) -> bytes:
    """What the worker wants; empty when nobody is left whom it is for.

    What is no JSON object goes on as it is: the worker makes a dead letter of it.
    """
    receivers = zerver_scheduledemail_users.c
    chosen = sa.select(receivers.userprofile_id).where(receivers.scheduledemail_id == mail.id)
    user_ids = list(connection.scalars(chosen.order_by(receivers.id)))
    if not user_ids and not mail.address:
        return b""
    try:
        event = parse(mail.data.encode())
    except ValueError:
        return bytes(mail.data.encode())
    context = event.get("context")
    whom = {
        "context": {**(context if isinstance(context, dict) else {}), SCHEDULED: mail.id},
        "to_user_ids": user_ids or None,
        "to_emails": None if user_ids else [mail.address],
        "realm_id": mail.realm_id,
    }
    return encode_event({**event, **whom})


def _delete(connection: sa.Connection, mail_id: int) -> None:
    mails, receivers = zerver_scheduledemail, zerver_scheduledemail_users
    connection.execute(sa.delete(receivers).where(receivers.c.scheduledemail_id == mail_id))
    connection.execute(sa.delete(mails).where(mails.c.id == mail_id))
