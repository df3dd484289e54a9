"""The three channels that a new organization starts with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent, RecipientType
from zcore.organizations.group_settings import channel_group_settings
from zcore.organizations.inserts import insert_returning_ids
from zcore.schema.channels import (
    zerver_defaultstream,
    zerver_recipient,
    zerver_stream,
)

if TYPE_CHECKING:
    from datetime import datetime

    from zcore.organizations.realms import InsertedRealm


@dataclass(frozen=True, slots=True)
class InitialChannel:
    """A channel of every new organization. The description is plain text, without markup."""

    name: str
    description: str


HELP_CHANNEL = "Zulip"
SANDBOX_CHANNEL = "sandbox"
GENERAL_CHANNEL = "general"

INITIAL_CHANNELS = (
    InitialChannel(HELP_CHANNEL, "How to get the most out of this chat: ask and answer here."),
    InitialChannel(SANDBOX_CHANNEL, "A place to try things out."),
    InitialChannel(GENERAL_CHANNEL, "What concerns everybody."),
)


def insert_initial_channels(
    connection: sa.Connection, realm: InsertedRealm, now: datetime
) -> dict[str, int]:
    """Write the channels with their recipients, and make them default channels.

    Returns their ids by name.
    """
    groups = channel_group_settings(realm.groups)
    rows = [_channel_row(channel, realm.realm_id, now) | groups for channel in INITIAL_CHANNELS]
    channel_ids = insert_returning_ids(connection, zerver_stream, rows)
    _insert_recipients(connection, channel_ids)
    write_audit_entries(
        connection, (_entry(realm.realm_id, channel_id, now) for channel_id in channel_ids)
    )
    connection.execute(
        sa.insert(zerver_defaultstream),
        [{"realm_id": realm.realm_id, "stream_id": channel_id} for channel_id in channel_ids],
    )
    names = (channel.name for channel in INITIAL_CHANNELS)
    return dict(zip(names, channel_ids, strict=True))


def _channel_row(channel: InitialChannel, realm_id: int, now: datetime) -> dict[str, object]:
    return {
        "realm_id": realm_id,
        "name": channel.name,
        "date_created": now,
        "description": channel.description,
        "rendered_description": f"<p>{channel.description}</p>",
        "invite_only": False,
        "history_public_to_subscribers": True,
    }


def _insert_recipients(connection: sa.Connection, channel_ids: list[int]) -> None:
    rows = [{"type": int(RecipientType.CHANNEL), "type_id": number} for number in channel_ids]
    recipient_ids = insert_returning_ids(connection, zerver_recipient, rows)
    streams = zerver_stream
    update = sa.update(streams).where(streams.c.id == sa.bindparam("channel"))
    connection.execute(
        update.values(recipient_id=sa.bindparam("recipient")),
        [
            {"channel": channel_id, "recipient": recipient_id}
            for channel_id, recipient_id in zip(channel_ids, recipient_ids, strict=True)
        ],
    )


def _entry(realm_id: int, channel_id: int, now: datetime) -> AuditEntry:
    return AuditEntry(
        event_type=AuditEvent.CHANNEL_CREATED,
        realm_id=realm_id,
        event_time=now,
        modified_stream_id=channel_id,
    )
