"""Channels, direct message groups, whom a message can go to, and who is subscribed."""

from __future__ import annotations

from sqlalchemy import Integer, String, Table, Text, UniqueConstraint

from zcore.schema.columns import (
    MENTIONING,
    big_id,
    column,
    exported,
    flag,
    foreign_key,
    index,
    int_id,
    metadata,
    unsigned,
)
from zcore.schema.facts import ColumnFacts, Dangling, ExportFile, Reference, When
from zcore.schema.types import UtcDateTime

CHANNEL_GROUP_SETTINGS = (
    "can_add_subscribers_group_id",
    "can_administer_channel_group_id",
    "can_remove_subscribers_group_id",
    "can_send_message_group_id",
    "can_subscribe_group_id",
)
"""The columns of a channel that say which user group may do something."""

_FIRST_MESSAGE = ColumnFacts(references=(Reference("zerver_message", dangling=Dangling.NULL),))

_RECIPIENT_OF = ColumnFacts(
    references=(
        Reference("zerver_userprofile", when=When("type", 1)),
        Reference("zerver_stream", when=When("type", 2)),
        Reference("zerver_huddle", when=When("type", 3)),
    )
)

zerver_stream = Table(
    "zerver_stream",
    metadata,
    big_id(),
    column("name", String(60), index=True),
    column("date_created", UtcDateTime),
    flag("deactivated", False),
    column("description", String(1024)),
    column("rendered_description", Text, default="", facts=MENTIONING),
    flag("invite_only", False),
    flag("history_public_to_subscribers", True),
    flag("is_web_public", False),
    flag("is_in_zephyr_realm", False),
    flag("is_recently_active", True, server_default="true"),
    column("message_retention_days", Integer, null=True),
    column("first_message_id", Integer, null=True, index=True, facts=_FIRST_MESSAGE),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("recipient_id", "zerver_recipient", null=True),
    foreign_key("creator_id", "zerver_userprofile", null=True),
    *(foreign_key(setting, "zerver_usergroup") for setting in CHANNEL_GROUP_SETTINGS),
    index("upper_stream_name_idx", "upper(name)"),
    index("zerver_stream_realm_id_name_uniq", "realm_id", "upper(name)", unique=True),
    info=exported(ExportFile.REALM, 37, "zerver_stream", required=True),
)

zerver_recipient = Table(
    "zerver_recipient",
    metadata,
    int_id(),
    column("type_id", Integer, index=True, facts=_RECIPIENT_OF),
    unsigned("type", index=True),
    UniqueConstraint("type", "type_id"),
    info=exported(ExportFile.REALM, 38, "zerver_recipient", required=True),
)

zerver_subscription = Table(
    "zerver_subscription",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("recipient_id", "zerver_recipient"),
    flag("active", True),
    flag("is_user_active"),
    flag("is_muted", False),
    column("color", String(10), default="#c2c2c2"),
    flag("pin_to_top", False),
    flag("desktop_notifications", null=True),
    flag("audible_notifications", null=True),
    flag("push_notifications", null=True),
    flag("email_notifications", null=True),
    flag("wildcard_mentions_notify", null=True),
    UniqueConstraint("user_profile_id", "recipient_id"),
    index(
        "zerver_subscription_recipient_id_user_profile_id_idx",
        "recipient_id",
        "user_profile_id",
        where="active AND is_user_active",
    ),
    info=exported(ExportFile.REALM, 39, "zerver_subscription", required=True),
)

zerver_huddle = Table(
    "zerver_huddle",
    metadata,
    big_id(),
    column("huddle_hash", String(40), unique=True),
    foreign_key("recipient_id", "zerver_recipient", null=True),
    column("group_size", Integer),
    info=exported(ExportFile.REALM, 22, "zerver_huddle", required=True),
)

zerver_defaultstream = Table(
    "zerver_defaultstream",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("stream_id", "zerver_stream"),
    UniqueConstraint("realm_id", "stream_id"),
    info=exported(ExportFile.REALM, 5, "zerver_defaultstream", required=True),
)

zerver_defaultstreamgroup = Table(
    "zerver_defaultstreamgroup",
    metadata,
    big_id(),
    column("name", String(60), index=True),
    column("description", String(1024)),
    foreign_key("realm_id", "zerver_realm"),
    UniqueConstraint("realm_id", "name"),
)

zerver_defaultstreamgroup_streams = Table(
    "zerver_defaultstreamgroup_streams",
    metadata,
    big_id(),
    foreign_key("defaultstreamgroup_id", "zerver_defaultstreamgroup"),
    foreign_key("stream_id", "zerver_stream"),
    UniqueConstraint("defaultstreamgroup_id", "stream_id"),
)

zerver_channelemailaddress = Table(
    "zerver_channelemailaddress",
    metadata,
    big_id(),
    column("email_token", String(32), unique=True),
    column("date_created", UtcDateTime),
    flag("deactivated", False),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("channel_id", "zerver_stream"),
    foreign_key("creator_id", "zerver_userprofile", null=True),
    foreign_key("sender_id", "zerver_userprofile"),
    UniqueConstraint("channel_id", "creator_id", "sender_id"),
    index("zerver_channelemailaddress_realm_id_channel_id_idx", "realm_id", "channel_id"),
)
