"""Messages become read: what a user has left unread in channels, or a channel for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import current
from zcore.schema.messages import zerver_message, zerver_usermessage
from zops_queue.clients import find_member, take_back_pushes, tell_clients
from zops_queue.deferred.counts import count_reading
from zops_queue.workers.fields import id_field, id_list_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.broker import Event, WorkContext
    from zops_queue.clients import Member

READ = 1  # flags of a user message
PUSHED = 4096
MESSAGES_AT_ONCE = 50
LONGEST = timedelta(seconds=30)  # then other work of the queue has its turn

_mine = zerver_usermessage.c
IS_UNREAD = _mine.flags.op("&")(sa.literal_column(str(READ))) == sa.literal_column("0")


@dataclass(frozen=True, slots=True)
class NewlyRead:
    """The messages that became read, and those of them that had been pushed to devices."""

    message_ids: tuple[int, ...]
    pushed_ids: tuple[int, ...]


def mark_channels_read(event: Event, work: WorkContext) -> str:
    """What `user_profile_id` has not read in the channels of `stream_recipient_ids` is read now."""
    user_id = id_field(event.payload, "user_profile_id")
    recipient_ids = id_list_field(event.payload, "stream_recipient_ids")
    column = zerver_message.c.recipient_id
    with work.database.begin() as connection:
        member = find_member(connection, user_id)
        for each in recipient_ids:
            read = mark_read(connection, member, work, column == each)
            tell_of_reading(work, member, read)
        work.complete(connection, [event])
    return ""


def mark_read(
    connection: sa.Connection, member: Member, work: WorkContext, which: sa.ColumnElement[bool]
) -> NewlyRead:
    """The unread messages of `member` that are `which` become read, and are counted.

    Locked in the order of ids, so that two who mark the same never wait in a circle.
    """
    chosen = (
        sa.select(_mine.id, _mine.message_id, _mine.flags)
        .join_from(zerver_usermessage, zerver_message, zerver_message.c.id == _mine.message_id)
        .where(_mine.user_profile_id == member.user_id, IS_UNREAD, which)
        .order_by(_mine.message_id)
        .with_for_update(of=zerver_usermessage)
    )
    rows = connection.execute(chosen).all()
    if rows:
        _set_read(connection, _mine.id.in_([row.id for row in rows]))
        count_reading(connection, member, len(rows), work.clock())
    return NewlyRead(
        tuple(row.message_id for row in rows),
        tuple(row.message_id for row in rows if row.flags & PUSHED),
    )


def tell_of_reading(work: WorkContext, member: Member, read: NewlyRead) -> None:
    """Have the user's clients and devices hear of it."""
    if read.message_ids:
        event = {
            "type": "update_message_flags",
            "op": "add",
            "operation": "add",
            "flag": "read",
            "messages": list(read.message_ids),
            "all": False,
        }
        tell_clients(work, member.string_id, event, [member.user_id])
    take_back_pushes(work, member.user_id, read.pushed_ids)


def mark_read_for_everyone(event: Event, work: WorkContext) -> str:
    """All messages of the channel `stream_recipient_id` are read, by everybody; nobody is told.

    After a while, or when asked to stop, the rest is queued again, with the last message done.
    """
    recipient_id = id_field(event.payload, "stream_recipient_id")
    first = id_field(event.payload, "min_id") if "min_id" in event.payload else 0
    until = work.clock() + LONGEST
    while ids := _mark_some(work, recipient_id, first):
        if len(ids) < MESSAGES_AT_ONCE:
            break
        first = ids[-1] + 1
        if work.clock() >= until or current().stop.is_set():
            # the last that was done: a server's worker may take it for that or for the next one
            work.publish(event.queue, {**event.payload, "min_id": ids[-1]})
            break
    return ""


def _mark_some(work: WorkContext, recipient_id: int, first: int) -> Sequence[int]:
    """The next messages of the channel, from the id `first` on, become read. Their ids."""
    messages = zerver_message.c
    chosen = sa.select(messages.id).where(
        messages.recipient_id == recipient_id, messages.id >= first
    )
    with work.database.begin() as connection:
        ids = connection.scalars(chosen.order_by(messages.id).limit(MESSAGES_AT_ONCE)).all()
        unread = sa.and_(_mine.message_id.in_(ids), IS_UNREAD)
        locked = sa.select(_mine.id).where(unread).order_by(_mine.id).with_for_update()
        _set_read(connection, _mine.id.in_(connection.scalars(locked).all()))
    return ids


def _set_read(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    update = sa.update(zerver_usermessage).where(which)
    connection.execute(update.values(flags=_mine.flags.op("|")(READ)))
