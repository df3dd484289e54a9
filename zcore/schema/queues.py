"""Mail that waits to be sent, and the addresses that answers to it go to."""

from __future__ import annotations

from sqlalchemy import Integer, String, Table, Text, UniqueConstraint

from zcore.schema.columns import big_id, column, foreign_key, metadata, unsigned
from zcore.schema.types import UtcDateTime

zerver_scheduledemail = Table(
    "zerver_scheduledemail",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    unsigned("type"),
    column("address", String(254), null=True, index=True),
    column("data", Text),
    column("scheduled_timestamp", UtcDateTime, index=True),
)

zerver_scheduledemail_users = Table(
    "zerver_scheduledemail_users",
    metadata,
    big_id(),
    foreign_key("scheduledemail_id", "zerver_scheduledemail"),
    foreign_key("userprofile_id", "zerver_userprofile"),
    UniqueConstraint("scheduledemail_id", "userprofile_id"),
)

zerver_scheduledmessagenotificationemail = Table(
    "zerver_scheduledmessagenotificationemail",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("message_id", "zerver_message"),
    foreign_key("mentioned_user_group_id", "zerver_namedusergroup", null=True),
    column("trigger", Text),
    column("scheduled_timestamp", UtcDateTime, index=True),
)

zerver_missedmessageemailaddress = Table(
    "zerver_missedmessageemailaddress",
    metadata,
    big_id(),
    foreign_key("message_id", "zerver_message"),
    foreign_key("user_profile_id", "zerver_userprofile"),
    column("email_token", String(34), unique=True),
    column("timestamp", UtcDateTime, index=True),
    unsigned("times_used", Integer, default=0, index=True),
)
