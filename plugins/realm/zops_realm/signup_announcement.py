"""Telling the others who has joined, where an organization has a channel for that."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.bot_messages import BotMessage, Text, find_bot, write_messages
from zcore.organizations.inserts import insert_rows
from zcore.organizations.system_bots import NOTIFICATION_BOT
from zcore.schema.channels import zerver_stream, zerver_subscription
from zcore.schema.messages import zerver_usermessage
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import CreatedUser, UsersCreated
    from zops_realm.welcomed import WelcomingRealm

TOPIC = "signups"


def announce(created: UsersCreated, realm: WelcomingRealm) -> None:
    """Let the Notification Bot say who joined. The first person has nobody to tell."""
    channel_id = realm.signup_announcements_stream_id
    if channel_id is None:
        return
    connection = created.connection
    bot = find_bot(connection, NOTIFICATION_BOT)
    users = created.users if _others(connection, created) else created.users[1:]
    recipient_id = _recipient_in_use(connection, channel_id)
    if bot is None or recipient_id is None or not users:
        return
    messages = [BotMessage(recipient_id, _announcement(user), TOPIC) for user in users]
    message_ids = write_messages(connection, bot, created.realm_id, messages, created.now)
    _deliver(connection, recipient_id, message_ids)
    _note_activity(connection, channel_id, message_ids)


def _others(connection: sa.Connection, created: UsersCreated) -> bool:
    """Were there people in the organization before?"""
    users = zerver_userprofile.c
    chosen = sa.select(users.id).where(
        users.realm_id == created.realm_id,
        users.is_active,
        sa.not_(users.is_bot),
        users.id.not_in([user.user_id for user in created.users]),
    )
    return connection.execute(chosen.limit(1)).first() is not None


def _recipient_in_use(connection: sa.Connection, channel_id: int) -> int | None:
    streams = zerver_stream.c
    return connection.scalar(
        sa.select(streams.recipient_id).where(
            streams.id == channel_id, sa.not_(streams.deactivated)
        )
    )


def _announcement(user: CreatedUser) -> Text:
    """A silent mention: the newcomer is named, and not notified."""
    name = html.escape(user.full_name, quote=False)
    mention = f'<span class="user-mention silent" data-user-id="{user.user_id}">{name}</span>'
    return Text(
        f"@_**{user.full_name}|{user.user_id}** is new here.", f"<p>{mention} is new here.</p>"
    )


def _deliver(connection: sa.Connection, recipient_id: int, message_ids: Sequence[int]) -> None:
    """Give the messages, unread, to all subscribers but those who have been away for long.

    The server itself catches up the latter when they come back.
    """
    subscriptions, users = zerver_subscription.c, zerver_userprofile.c
    readers = (
        sa.select(subscriptions.user_profile_id)
        .join_from(
            zerver_subscription, zerver_userprofile, users.id == subscriptions.user_profile_id
        )
        .where(
            subscriptions.recipient_id == recipient_id,
            subscriptions.active,
            subscriptions.is_user_active,
            sa.not_(users.long_term_idle),
            sa.not_(users.is_bot),
        )
        .order_by(subscriptions.user_profile_id)
    )
    rows = (
        {"user_profile_id": user_id, "message_id": message_id, "flags": 0}
        for user_id in connection.scalars(readers).all()
        for message_id in message_ids
    )
    insert_rows(connection, zerver_usermessage, rows)


def _note_activity(connection: sa.Connection, channel_id: int, message_ids: Sequence[int]) -> None:
    streams = zerver_stream.c
    connection.execute(
        sa.update(zerver_stream)
        .where(streams.id == channel_id)
        .values(
            is_recently_active=True,
            first_message_id=sa.func.coalesce(streams.first_message_id, message_ids[0]),
        )
    )
