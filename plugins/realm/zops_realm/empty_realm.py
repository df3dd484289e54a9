"""An organization without anybody in it: the realm and its first channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.realms import InsertedRealm, NewRealm, insert_realm
from zcore.schema.realms import zerver_realm
from zops_realm.initial_channels import GENERAL_CHANNEL, insert_initial_channels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

# The newest of the announcements that a 10.0 server brings along: older ones are not posted.
ANNOUNCEMENTS_OF_SERVER = 15


@dataclass(frozen=True, slots=True)
class EmptyRealm:
    """What it is called, where it is, and how people are to log in."""

    name: str
    string_id: str
    authentication_methods: Sequence[str]


def insert_empty_realm(
    connection: sa.Connection, empty: EmptyRealm, now: datetime
) -> tuple[InsertedRealm, dict[str, int]]:
    """Write the organization. Returns it, and the ids of its channels by name.

    The internal realm has to be there (`zcore.internal_realm`).
    """
    realm = insert_realm(connection, _new_realm(connection, empty, now))
    channels = insert_initial_channels(connection, realm, now)
    _announce_in(connection, realm, channels[GENERAL_CHANNEL])
    return realm, channels


def _new_realm(connection: sa.Connection, empty: EmptyRealm, now: datetime) -> NewRealm:
    level = sa.select(sa.func.max(zerver_realm.c.zulip_update_announcements_level))
    newest = connection.scalar(level) or 0
    return NewRealm(
        name=empty.name,
        string_id=empty.string_id,
        date_created=now,
        settings={
            # Off by default, but on where people are invited and so know each other.
            "enable_read_receipts": True,
            "zulip_update_announcements_level": max(newest, ANNOUNCEMENTS_OF_SERVER),
        },
        audit_data={
            "how_realm_creator_found_zulip": None,
            "how_realm_creator_found_zulip_extra_context": None,
        },
        authentication_methods=empty.authentication_methods,
    )


def _announce_in(connection: sa.Connection, realm: InsertedRealm, channel_id: int) -> None:
    update = sa.update(zerver_realm).where(zerver_realm.c.id == realm.realm_id)
    connection.execute(
        update.values(
            new_stream_announcements_stream_id=channel_id,
            zulip_update_announcements_stream_id=channel_id,
        )
    )
