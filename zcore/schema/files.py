"""Uploaded files: what is stored, and which messages link to it."""

from __future__ import annotations

from sqlalchemy import Integer, Table, Text, UniqueConstraint

from zcore.schema.columns import big_id, column, exported, flag, foreign_key, index, metadata
from zcore.schema.facts import ExportFile, ExtraKey
from zcore.schema.types import Json, UtcDateTime

zerver_attachment = Table(
    "zerver_attachment",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("owner_id", "zerver_userprofile"),
    column("file_name", Text, index=True),
    column("path_id", Text, unique=True),
    column("create_time", UtcDateTime, index=True),
    column("size", Integer),
    column("content_type", Text, null=True),
    flag("is_realm_public", False, null=True),
    flag("is_web_public", False, null=True),
    index("zerver_attachment_realm_create_time", "realm_id", "create_time"),
    info=exported(
        ExportFile.ATTACHMENT,
        45,
        "zerver_attachment",
        required=True,
        extra_keys=(
            ExtraKey("messages", link_table="zerver_attachment_messages"),
            ExtraKey("scheduled_messages", link_table="zerver_attachment_scheduled_messages"),
        ),
    ),
)

zerver_attachment_messages = Table(
    "zerver_attachment_messages",
    metadata,
    big_id(),
    foreign_key("attachment_id", "zerver_attachment"),
    foreign_key("message_id", "zerver_message"),
    UniqueConstraint("attachment_id", "message_id"),
    info=exported(ExportFile.ATTACHMENT, 46),
)

zerver_attachment_scheduled_messages = Table(
    "zerver_attachment_scheduled_messages",
    metadata,
    big_id(),
    foreign_key("attachment_id", "zerver_attachment"),
    foreign_key("scheduledmessage_id", "zerver_scheduledmessage"),
    UniqueConstraint("attachment_id", "scheduledmessage_id"),
    info=exported(ExportFile.ATTACHMENT, 47),
)

zerver_imageattachment = Table(
    "zerver_imageattachment",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    column("path_id", Text, unique=True),
    column("content_type", Text, null=True),
    column("original_width_px", Integer),
    column("original_height_px", Integer),
    column("frames", Integer),
    column("thumbnail_metadata", Json, default=list),
)
