"""Channels: making them, and finding them by what a command line says."""

from __future__ import annotations

import html
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Refused
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent, RecipientType
from zcore.organizations.group_settings import channel_group_settings
from zcore.organizations.inserts import insert_returning_ids, insert_rows, reserve_ids
from zcore.organizations.lookup import id_condition
from zcore.schema.channels import zerver_defaultstream, zerver_recipient, zerver_stream
from zcore.text import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from zcore.organizations.lookup import Realm
    from zcore.organizations.system_groups import SystemGroups


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannel:
    """A channel to be made. The description is plain text, without markup, on one line.

    A private channel with `shared_history` lets new subscribers read what was written before.
    """

    name: str
    description: str = ""
    is_private: bool = False
    is_web_public: bool = False
    shared_history: bool = False

    def row(self) -> dict[str, object]:
        """Columns of `zerver_stream`."""
        text = html.escape(self.description, quote=False)
        return {
            "name": self.name,
            "description": self.description,
            "rendered_description": f"<p>{text}</p>" if text else "",
            "invite_only": self.is_private,
            "is_web_public": self.is_web_public,
            "history_public_to_subscribers": self.shared_history or not self.is_private,
        }


@dataclass(frozen=True, slots=True)
class FoundChannel:
    """A channel that is there."""

    channel_id: int
    recipient_id: int
    name: str
    is_archived: bool


def insert_channels(
    connection: sa.Connection,
    realm_id: int,
    groups: SystemGroups,
    channels: Sequence[NewChannel],
    now: datetime,
) -> list[int]:
    """Write channels with their recipients and audit entries; return their ids, in order."""
    common = {"realm_id": realm_id, "date_created": now, **channel_group_settings(groups)}
    channel_ids = reserve_ids(connection, zerver_stream, len(channels))
    recipients = [{"type": int(RecipientType.CHANNEL), "type_id": one} for one in channel_ids]
    recipient_ids = insert_returning_ids(connection, zerver_recipient, recipients)
    rows = (
        common | channel.row() | {"id": channel_id, "recipient_id": recipient_id}
        for channel, channel_id, recipient_id in zip(
            channels, channel_ids, recipient_ids, strict=True
        )
    )
    insert_rows(connection, zerver_stream, rows)
    write_audit_entries(connection, (_created(realm_id, one, now) for one in channel_ids))
    return channel_ids


def make_default(connection: sa.Connection, realm_id: int, channel_ids: Iterable[int]) -> None:
    """Let every new user be subscribed to these channels."""
    rows = ({"realm_id": realm_id, "stream_id": channel_id} for channel_id in channel_ids)
    insert_rows(connection, zerver_defaultstream, rows)


def find_channel(connection: sa.Connection, realm: Realm, reference: str) -> FoundChannel:
    """The channel that `reference` names: its name in any case of letters, or `id:N`.

    Raises `UsageError` for a number that is none, `Refused` when there is no such channel.
    """
    streams = zerver_stream.c
    row = None
    if is_text(reference):
        chosen = sa.select(streams.id, streams.recipient_id, streams.name, streams.deactivated)
        row = connection.execute(
            chosen.where(streams.realm_id == realm.realm_id, _condition(reference))
        ).first()
    if row is None:
        raise Refused(
            f"there is no channel {reference!r} in {realm.name!r}",
            code="no-channel",
            hint=f"'zops channel list {shlex.quote(realm.string_id)}' shows those that there are",
        )
    return FoundChannel(*row)


def _condition(reference: str) -> sa.ColumnElement[bool]:
    streams = zerver_stream.c
    if reference.startswith("id:"):
        return id_condition(streams.id, reference, "a channel")
    return sa.func.upper(streams.name) == sa.func.upper(reference)


def _created(realm_id: int, channel_id: int, now: datetime) -> AuditEntry:
    return AuditEntry(
        event_type=AuditEvent.CHANNEL_CREATED,
        realm_id=realm_id,
        event_time=now,
        modified_stream_id=channel_id,
    )
