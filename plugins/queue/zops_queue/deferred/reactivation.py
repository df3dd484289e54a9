"""Somebody who was long away comes back: the rows that were not written meanwhile are written now.

While an account is idle for long, the server writes no user messages for it. Which messages it
would have received follows from when it was subscribed to which channel, by the audit log.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from zcore import Change, current
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent, RecipientType
from zcore.schema.channels import zerver_recipient, zerver_subscription
from zcore.schema.messages import zerver_message, zerver_usermessage
from zcore.schema.realms import zerver_realmauditlog
from zcore.schema.users import zerver_userprofile
from zops_queue.clients import find_member
from zops_queue.workers.fields import id_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zcore.broker import Event, WorkContext

COMING = (AuditEvent.SUBSCRIPTION_CREATED, AuditEvent.SUBSCRIPTION_ACTIVATED)
LEAVING = AuditEvent.SUBSCRIPTION_DEACTIVATED
NO_END = None


class Turn(NamedTuple):
    """The user came to a channel, or left it, when `message_id` was the last message of all."""

    message_id: int
    is_coming: bool


class Span(NamedTuple):
    """While subscribed: messages after the first id, up to the second one or without an end."""

    after: int
    until: int | None


class Channel(NamedTuple):
    """A channel that the user is or was subscribed to, by its recipient."""

    recipient_id: int
    channel_id: int
    is_subscribed: bool


def reactivate(event: Event, work: WorkContext) -> str:
    """Give `user_profile_id` back what was sent meanwhile, if it is idle for long."""
    user_id = id_field(event.payload, "user_profile_id")
    users = zerver_userprofile.c
    chosen = sa.select(users.long_term_idle, users.last_active_message_id)
    chosen = chosen.where(users.id == user_id).with_for_update(key_share=True)
    with work.database.begin() as connection:
        member = find_member(connection, user_id)
        is_idle, last_seen = connection.execute(chosen).one()
        if not is_idle:
            return ""
        add_missing(connection, user_id, last_seen or 0)
        awake = sa.update(zerver_userprofile).where(users.id == user_id)
        connection.execute(awake.values(long_term_idle=False))
        entry = AuditEntry(
            event_type=AuditEvent.USER_SOFT_ACTIVATED,
            realm_id=member.realm_id,
            event_time=work.clock(),
            modified_user_id=user_id,
        )
        write_audit_entries(connection, [entry])
        work.complete(connection, [event])
    change = Change("user.soft_reactivated", member.realm_id, member.string_id, (user_id,))
    current().committed(change)
    return ""


def add_missing(connection: sa.Connection, user_id: int, last_seen: int) -> None:
    """Insert the user messages that were not written after the message `last_seen`."""
    channels = _channels(connection, user_id)
    turns = _turns(connection, user_id, [channel.channel_id for channel in channels])
    newest = last_seen
    for channel in channels:
        for span in spans(turns[channel.channel_id], is_subscribed=channel.is_subscribed):
            newest = max(newest, _insert(connection, user_id, channel, span, last_seen))
    if newest > last_seen:
        user = sa.update(zerver_userprofile).where(zerver_userprofile.c.id == user_id)
        connection.execute(user.values(last_active_message_id=newest))


def spans(turns: Sequence[Turn], *, is_subscribed: bool) -> Iterator[Span]:
    """When somebody was subscribed to a channel, with these `turns` in their order.

    Of a channel of which the audit log says nothing, it is what the subscription says now.
    """
    after = 0
    for turn in turns:
        if turn.is_coming:
            after = max(after, turn.message_id)
        elif turn.message_id > after:
            yield Span(after, turn.message_id)
    if turns[-1].is_coming if turns else is_subscribed:
        yield Span(after, NO_END)


def _channels(connection: sa.Connection, user_id: int) -> list[Channel]:
    subscriptions, recipients = zerver_subscription.c, zerver_recipient.c
    chosen = sa.select(recipients.id, recipients.type_id, subscriptions.active).where(
        subscriptions.user_profile_id == user_id,
        recipients.id == subscriptions.recipient_id,
        recipients.type == RecipientType.CHANNEL,
    )
    rows = connection.execute(chosen.order_by(recipients.id))
    return [Channel(*row) for row in rows]


def _turns(
    connection: sa.Connection, user_id: int, channel_ids: Iterable[int]
) -> Mapping[int, list[Turn]]:
    """The turns of each channel, in the server's order: by last message, then by id."""
    log = zerver_realmauditlog.c
    chosen = sa.select(log.modified_stream_id, log.event_last_message_id, log.event_type).where(
        log.modified_user_id == user_id,
        log.modified_stream_id.in_(list(channel_ids)),
        log.event_type.in_([*COMING, LEAVING]),
        log.event_last_message_id.is_not(None),
    )
    found: dict[int, list[Turn]] = defaultdict(list)
    for channel_id, message_id, kind in connection.execute(
        chosen.order_by(log.event_last_message_id, log.id)
    ):
        found[channel_id].append(Turn(message_id, kind in COMING))
    return found


def _insert(
    connection: sa.Connection, user_id: int, channel: Channel, span: Span, last_seen: int
) -> int:
    """The missing rows of one span. Returns the newest message among them, 0 when there is none."""
    messages, mine = zerver_message.c, zerver_usermessage.c
    is_there = sa.exists().where(mine.user_profile_id == user_id, mine.message_id == messages.id)
    missing = sa.select(sa.literal(user_id), messages.id, sa.literal(0)).where(
        messages.recipient_id == channel.recipient_id,
        messages.id > max(span.after, last_seen),
        *([] if span.until is NO_END else [messages.id <= span.until]),
        ~is_there,
    )
    insert = sa.insert(zerver_usermessage).from_select(
        ["user_profile_id", "message_id", "flags"], missing.order_by(messages.id)
    )
    added = insert.returning(mine.message_id)
    return max(connection.scalars(added), default=0)
