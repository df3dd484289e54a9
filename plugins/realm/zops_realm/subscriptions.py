"""A new user's first channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.schema.channels import (
    zerver_defaultstream,
    zerver_stream,
    zerver_subscription,
)
from zcore.schema.messages import zerver_message
from zops_realm.accounts import insert_onboarding_step
from zops_realm.channel_colors import pick_colors
from zops_realm.history import give_history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

NO_MESSAGE_YET = -1


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel to subscribe to."""

    channel_id: int
    recipient_id: int


def settle_in(connection: sa.Connection, realm_id: int, user_id: int, now: datetime) -> None:
    """Subscribe a new user to the realm's default channels and show them what was said there."""
    channels = default_channels(connection, realm_id)
    subscribe(connection, realm_id, user_id, channels, now)
    give_history(connection, realm_id, user_id, [channel.channel_id for channel in channels])
    insert_onboarding_step(connection, user_id, now)


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
    user_id: int,
    channels: Sequence[Channel],
    now: datetime,
) -> None:
    """Subscribe an active user to `channels` that they are not subscribed to yet."""
    if not channels:
        return
    recipients = [channel.recipient_id for channel in channels]
    colors = pick_colors(recipients, _colors_in_use(connection, user_id))
    rows = [_subscription(user_id, recipient, colors[recipient]) for recipient in colors]
    connection.execute(sa.insert(zerver_subscription), rows)
    last_message_id = newest_message_id(connection)
    write_audit_entries(
        connection,
        [_entry(realm_id, user_id, channel, now, last_message_id) for channel in channels],
    )


def newest_message_id(connection: sa.Connection) -> int:
    """The highest message id on the whole server; -1 when there is no message."""
    highest: int | None = connection.scalar(sa.select(sa.func.max(zerver_message.c.id)))
    return NO_MESSAGE_YET if highest is None else highest


def _colors_in_use(connection: sa.Connection, user_id: int) -> frozenset[str]:
    subscriptions = zerver_subscription.c
    colors = sa.select(subscriptions.color).where(subscriptions.user_profile_id == user_id)
    return frozenset(connection.scalars(colors))


def _subscription(user_id: int, recipient_id: int, color: str) -> dict[str, object]:
    return {
        "user_profile_id": user_id,
        "recipient_id": recipient_id,
        "active": True,
        "is_user_active": True,
        "is_muted": False,
        "color": color,
        "pin_to_top": False,
    }


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
