"""Messages, what each user has to do with them, and messages yet to be sent."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, String, Table, Text, UniqueConstraint

from zcore.schema.columns import (
    EMOJI_CODE,
    MENTIONING,
    big_id,
    column,
    exported,
    flag,
    foreign_key,
    gin_index,
    index,
    int_id,
    mentions,
    metadata,
    unsigned,
)
from zcore.schema.facts import ColumnFacts, Dangling, ExportFile, Form, Reference
from zcore.schema.types import SearchVector, UtcDateTime

# A list of the former states of a message, each with who changed what. Entries from before 2017
# have no user; a channel may have been deleted since.
_EDIT_HISTORY = ColumnFacts(
    references=(
        Reference("zerver_userprofile", Form.JSON, ("*", "user_id"), dangling=Dangling.MEND_NULL),
        Reference("zerver_stream", Form.JSON, ("*", "stream"), dangling=Dangling.KEEP),
        Reference("zerver_stream", Form.JSON, ("*", "prev_stream"), dangling=Dangling.KEEP),
        *mentions("*", "prev_rendered_content"),
    )
)

zerver_message = Table(
    "zerver_message",
    metadata,
    int_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("sender_id", "zerver_userprofile"),
    foreign_key("recipient_id", "zerver_recipient"),
    foreign_key("sending_client_id", "zerver_client"),
    unsigned("type", default=1, server_default="1"),
    flag("is_channel_message", True, index=True),
    column("subject", String(60), index=True),
    column("content", Text),
    column("rendered_content", Text, null=True, facts=MENTIONING),
    column("rendered_content_version", Integer, null=True),
    column("date_sent", UtcDateTime, index=True),
    column("last_edit_time", UtcDateTime, null=True),
    column("edit_history", Text, null=True, facts=_EDIT_HISTORY),
    flag("has_attachment", False, index=True),
    flag("has_image", False, index=True),
    flag("has_link", False, index=True),
    column("search_tsvector", SearchVector, null=True),
    index("zerver_message_edit_history_id", "id", where="edit_history IS NOT NULL"),
    index("zerver_message_realm_date_sent", "realm_id", "date_sent"),
    index("zerver_message_realm_id", "realm_id", "id DESC NULLS LAST"),
    index("zerver_message_realm_recipient_date_sent", "realm_id", "recipient_id", "date_sent"),
    index("zerver_message_realm_recipient_id", "realm_id", "recipient_id", "id"),
    index(
        "zerver_message_realm_recipient_subject",
        "realm_id",
        "recipient_id",
        "subject",
        "id DESC NULLS LAST",
        where="is_channel_message",
    ),
    index(
        "zerver_message_realm_recipient_upper_subject",
        "realm_id",
        "recipient_id",
        "upper(subject)",
        "id DESC NULLS LAST",
        where="is_channel_message",
    ),
    index("zerver_message_realm_sender_recipient", "realm_id", "sender_id", "recipient_id"),
    index(
        "zerver_message_realm_upper_subject",
        "realm_id",
        "upper(subject)",
        "id DESC NULLS LAST",
        where="is_channel_message",
    ),
    gin_index("zerver_message_search_tsvector", "search_tsvector"),
    info=exported(ExportFile.MESSAGES, 40, "zerver_message", required=True),
)


def _messages_with(flags: str, condition: str) -> Index:
    """An index over those messages of a user whose flags satisfy `condition`."""
    return index(
        f"zerver_usermessage_{flags}_message_id", "user_profile_id", "message_id", where=condition
    )


zerver_usermessage = Table(
    "zerver_usermessage",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("message_id", "zerver_message"),
    column("flags", BigInteger, facts=ColumnFacts(json_key="flags_mask")),
    UniqueConstraint("user_profile_id", "message_id"),
    _messages_with("unread", "(flags & 1) = 0"),
    _messages_with("starred", "(flags & 2) <> 0"),
    _messages_with("mentioned", "(flags & 8) <> 0"),
    _messages_with("wildcard_mentioned", "(flags & 8) <> 0 OR (flags & 16) <> 0"),
    _messages_with("any_mentioned", "(flags & 120) <> 0"),
    _messages_with("has_alert_word", "(flags & 512) <> 0"),
    _messages_with("is_private", "(flags & 2048) <> 0"),
    index(
        "zerver_usermessage_active_mobile_push_notification_id",
        "user_profile_id",
        "message_id",
        where="(flags & 4096) <> 0",
    ),
    info=exported(ExportFile.MESSAGES, 48, "zerver_usermessage", required=True),
)

zerver_reaction = Table(
    "zerver_reaction",
    metadata,
    big_id(),
    # a user of another organization may have reacted; nobody misses a reaction to nothing
    foreign_key("user_profile_id", "zerver_userprofile", dangling=Dangling.MEND_DROP),
    foreign_key("message_id", "zerver_message", dangling=Dangling.MEND_DROP),
    column("emoji_name", Text),
    column("emoji_code", Text, facts=EMOJI_CODE),
    column("reaction_type", String(30)),
    UniqueConstraint("user_profile_id", "message_id", "reaction_type", "emoji_code"),
    info=exported(ExportFile.REALM, 41, "zerver_reaction", required=True),
)

zerver_onboardingusermessage = Table(
    "zerver_onboardingusermessage",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    # of all realms' messages, also where an export carries only some of them
    foreign_key("message_id", "zerver_message", dangling=Dangling.DROP_ROW),
    column("flags", BigInteger, facts=ColumnFacts(json_key="flags_mask")),
    info=exported(ExportFile.REALM, 15, "zerver_onboardingusermessage"),
)

zerver_scheduledmessage = Table(
    "zerver_scheduledmessage",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("sender_id", "zerver_userprofile"),
    # to somebody whose recipient is not exported: nobody could get it
    foreign_key("recipient_id", "zerver_recipient", dangling=Dangling.LOSE_ROW),
    foreign_key("sending_client_id", "zerver_client"),
    foreign_key("stream_id", "zerver_stream", null=True),
    foreign_key("delivered_message_id", "zerver_message", null=True, dangling=Dangling.NULL),
    column("subject", String(60)),
    column("content", Text),
    column("rendered_content", Text, facts=MENTIONING),
    column("scheduled_timestamp", UtcDateTime, index=True),
    flag("read_by_sender"),
    flag("has_attachment", False, index=True),
    flag("delivered", False),
    flag("failed", False),
    column("failure_message", Text, null=True),
    unsigned("delivery_type", default=1),
    index(
        "zerver_realm_unsent_scheduled_messages_by_user",
        "realm_id",
        "sender_id",
        "delivery_type",
        "scheduled_timestamp",
        where="NOT delivered",
    ),
    index(
        "zerver_unsent_scheduled_messages_by_time",
        "scheduled_timestamp",
        where="NOT delivered AND NOT failed",
    ),
    info=exported(ExportFile.REALM, 4, "zerver_scheduledmessage"),
)

zerver_submessage = Table(
    "zerver_submessage",
    metadata,
    big_id(),
    foreign_key("message_id", "zerver_message"),
    foreign_key("sender_id", "zerver_userprofile"),
    column("msg_type", Text),
    column("content", Text),
)

zerver_draft = Table(
    "zerver_draft",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("recipient_id", "zerver_recipient", null=True),
    column("topic", String(60), index=True),
    column("content", Text),
    column("last_edit_time", UtcDateTime, index=True),
)
