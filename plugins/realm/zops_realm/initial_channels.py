"""The three channels that a new organization starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zops_realm.channels import NewChannel, insert_channels, make_default

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from zcore.organizations.realms import InsertedRealm

HELP_CHANNEL = "Zulip"
SANDBOX_CHANNEL = "sandbox"
GENERAL_CHANNEL = "general"

INITIAL_CHANNELS = (
    NewChannel(
        name=HELP_CHANNEL,
        description="How to get the most out of this chat: ask and answer here.",
    ),
    NewChannel(name=SANDBOX_CHANNEL, description="A place to try things out."),
    NewChannel(name=GENERAL_CHANNEL, description="What concerns everybody."),
)


def insert_initial_channels(
    connection: sa.Connection, realm: InsertedRealm, now: datetime
) -> dict[str, int]:
    """Write the channels with their recipients, and make them default channels.

    Returns their ids by name.
    """
    channel_ids = insert_channels(connection, realm.realm_id, realm.groups, INITIAL_CHANNELS, now)
    make_default(connection, realm.realm_id, channel_ids)
    names = (channel.name for channel in INITIAL_CHANNELS)
    return dict(zip(names, channel_ids, strict=True))
