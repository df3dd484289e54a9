"""Channels, and who is subscribed to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.organizations.inserts import insert_rows
from zcore.schema.channels import (
    zerver_defaultstream,
    zerver_stream,
    zerver_subscription,
)
from zcore.schema.messages import zerver_message
from zops_realm.channel_colors import pick_colors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

NO_MESSAGE_YET = -1
ACTIVE = {"active": True, "is_user_active": True, "is_muted": False, "pin_to_top": False}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel to subscribe to."""

    channel_id: int
    recipient_id: int


def default_channels(connection: sa.Connection, realm_id: int) -> list[Channel]:
    """The channels that every new user of the realm is subscribed to, by recipient."""
    streams, defaults = zerver_stream.c, zerver_defaultstream.c
    chosen = (
        sa.select(streams.id, streams.recipient_id)
        .join_from(zerver_defaultstream, zerver_stream, defaults.stream_id == streams.id)
        .where(defaults.realm_id == realm_id, sa.not_(streams.deactivated))
        .order_by(streams.recipient_id)
    )
    return [Channel(*row) for row in connection.execute(chosen)]


def subscribe(
    connection: sa.Connection,
    realm_id: int,
    user_ids: Sequence[int],
    channels: Sequence[Channel],
    now: datetime,
) -> None:
    """Subscribe active users to `channels` that none of them is subscribed to yet."""
    if not channels:
        return
    recipients = [channel.recipient_id for channel in channels]
    used = _colors_in_use(connection, user_ids)
    rows = (
        {"user_profile_id": user_id, "recipient_id": recipient_id, "color": color}
        for user_id in user_ids
        for recipient_id, color in pick_colors(recipients, used[user_id]).items()
    )
    insert_rows(connection, zerver_subscription, rows, ACTIVE)
    last_message_id = newest_message_id(connection)
    entries = (
        _entry(realm_id, user_id, channel, now, last_message_id)
        for user_id in user_ids
        for channel in channels
    )
    write_audit_entries(connection, entries)


def newest_message_id(connection: sa.Connection) -> int:
    """The highest message id on the whole server; -1 when there is no message."""
    highest: int | None = connection.scalar(sa.select(sa.func.max(zerver_message.c.id)))
    return NO_MESSAGE_YET if highest is None else highest


def _colors_in_use(connection: sa.Connection, user_ids: Sequence[int]) -> dict[int, set[str]]:
    subscriptions = zerver_subscription.c
    colors = sa.select(subscriptions.user_profile_id, subscriptions.color).where(
        subscriptions.user_profile_id.in_(user_ids)
    )
    used: dict[int, set[str]] = {user_id: set() for user_id in user_ids}
    for user_id, color in connection.execute(colors):
        used[user_id].add(color)
    return used


def _entry(
    realm_id: int, user_id: int, channel: Channel, now: datetime, last_message_id: int
) -> AuditEntry:
    """The server needs the message's number when it catches up an account that was idle."""
    return AuditEntry(
        event_type=AuditEvent.SUBSCRIPTION_CREATED,
        realm_id=realm_id,
        event_time=now,
        modified_user_id=user_id,
        modified_stream_id=channel.channel_id,
        event_last_message_id=last_message_id,
    )
