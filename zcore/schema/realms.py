"""The realm, what belongs to it as a whole, and its history."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from zcore.identifiers import random_uuid
from zcore.schema.audit_data import EXTRA_DATA
from zcore.schema.columns import (
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
from zcore.schema.facts import ColumnFacts, Dangling, ExportFile, Reference
from zcore.schema.types import GuidText, Json, UtcDateTime
from zcore.schema.user_settings import user_settings

REALM_GROUP_SETTINGS = (
    "can_access_all_users_group_id",
    "can_add_custom_emoji_group_id",
    "can_add_subscribers_group_id",
    "can_create_bots_group_id",
    "can_create_groups_id",
    "can_create_private_channel_group_id",
    "can_create_public_channel_group_id",
    "can_create_web_public_channel_group_id",
    "can_create_write_only_bots_group_id",
    "can_delete_any_message_group_id",
    "can_delete_own_message_group_id",
    "can_invite_users_group_id",
    "can_manage_all_groups_id",
    "can_manage_billing_group_id",
    "can_mention_many_users_group_id",
    "can_move_messages_between_channels_group_id",
    "can_move_messages_between_topics_group_id",
    "can_resolve_topics_group_id",
    "can_summarize_topics_group_id",
    "create_multiuse_invite_group_id",
    "direct_message_initiator_group_id",
    "direct_message_permission_group_id",
)
"""The columns of a realm that say which user group may do something."""

_ISO_TIME = ColumnFacts(iso_time=True)

zerver_realm = Table(
    "zerver_realm",
    metadata,
    int_id(),
    column("name", String(40)),
    column("description", Text, default=""),
    column("string_id", String(40), unique=True),
    column("uuid", GuidText, unique=True, default=random_uuid),
    column("uuid_owner_secret", Text),
    flag("push_notifications_enabled", False, index=True),
    column("push_notifications_enabled_end_timestamp", UtcDateTime, null=True, facts=_ISO_TIME),
    column("date_created", UtcDateTime),
    column("scheduled_deletion_date", UtcDateTime, null=True, index=True, facts=_ISO_TIME),
    column("demo_organization_scheduled_deletion_date", UtcDateTime, null=True, facts=_ISO_TIME),
    flag("deactivated", False),
    column("deactivated_redirect", String(128), null=True),
    flag("emails_restricted_to_domains", False),
    flag("invite_required", True),
    column("max_invites", Integer, null=True, facts=ColumnFacts(json_key="_max_invites")),
    flag("disallow_disposable_email_addresses", True),
    flag("enable_spectator_access", False),
    flag("want_advertise_in_communities_directory", False, index=True),
    flag("inline_image_preview", True),
    flag("inline_url_embed_preview", False),
    flag("digest_emails_enabled", False),
    column("digest_weekday", SmallInteger, default=1),
    flag("send_welcome_emails", True),
    flag("message_content_allowed_in_email_notifications", True),
    flag("mandatory_topics", False),
    flag("require_unique_names", False),
    flag("name_changes_disabled", False),
    flag("email_changes_disabled", False),
    flag("avatar_changes_disabled", False),
    unsigned("move_messages_within_stream_limit_seconds", Integer, null=True, default=604800),
    unsigned("move_messages_between_streams_limit_seconds", Integer, null=True, default=604800),
    unsigned("waiting_period_threshold", Integer, default=0),
    unsigned("message_content_delete_limit_seconds", Integer, null=True, default=600),
    flag("allow_message_editing", True),
    unsigned("message_content_edit_limit_seconds", Integer, null=True, default=600),
    unsigned("message_edit_history_visibility_policy", default=1),
    column("default_language", String(50), default="en"),
    unsigned("zulip_update_announcements_level", Integer, null=True),
    column("message_retention_days", Integer, default=-1),
    column("message_visibility_limit", Integer, null=True),
    column("first_visible_message_id", Integer, default=0),
    unsigned("org_type", default=0),
    unsigned("plan_type", default=1),
    column("custom_upload_quota_gb", Integer, null=True),
    unsigned("video_chat_provider", default=1),
    column("jitsi_server_url", String(200), null=True),
    unsigned("giphy_rating", default=2),
    column("default_code_block_language", Text, default=""),
    flag("enable_read_receipts", False),
    flag("enable_guest_user_indicator", True),
    flag("enable_guest_user_dm_warning", True),
    column("icon_source", String(1), default="G"),
    unsigned("icon_version", default=1),
    column("logo_source", String(1), default="D"),
    unsigned("logo_version", default=1),
    column("night_logo_source", String(1), default="D"),
    unsigned("night_logo_version", default=1),
    foreign_key("moderation_request_channel_id", "zerver_stream", null=True),
    foreign_key("new_stream_announcements_stream_id", "zerver_stream", null=True),
    foreign_key("signup_announcements_stream_id", "zerver_stream", null=True),
    foreign_key("zulip_update_announcements_stream_id", "zerver_stream", null=True),
    *(foreign_key(setting, "zerver_usergroup") for setting in REALM_GROUP_SETTINGS),
    info=exported(ExportFile.REALM, 1, "zerver_realm", required=True),
)

zerver_realmauthenticationmethod = Table(
    "zerver_realmauthenticationmethod",
    metadata,
    big_id(),
    column("name", String(80)),
    foreign_key("realm_id", "zerver_realm"),
    UniqueConstraint("realm_id", "name"),
    info=exported(ExportFile.REALM, 2, "zerver_realmauthenticationmethod", required=True),
)

zerver_realmdomain = Table(
    "zerver_realmdomain",
    metadata,
    big_id(),
    column("domain", String(80), index=True),
    flag("allow_subdomains", False),
    foreign_key("realm_id", "zerver_realm"),
    UniqueConstraint("realm_id", "domain"),
    info=exported(ExportFile.REALM, 9, "zerver_realmdomain", required=True),
)

zerver_realmemoji = Table(
    "zerver_realmemoji",
    metadata,
    big_id(),
    column("name", Text),
    column("file_name", Text, null=True, index=True),
    flag("is_animated", False),
    flag("deactivated", False),
    foreign_key("author_id", "zerver_userprofile", null=True),
    foreign_key("realm_id", "zerver_realm"),
    index(
        "unique_realm_emoji_when_false_deactivated",
        "realm_id",
        "name",
        where="NOT deactivated",
        unique=True,
    ),
    info=exported(ExportFile.REALM, 8, "zerver_realmemoji", required=True),
)

zerver_realmfilter = Table(
    "zerver_realmfilter",
    metadata,
    big_id(),
    column("pattern", Text),
    column("url_template", Text),
    column("order", Integer, default=0),
    foreign_key("realm_id", "zerver_realm"),
    UniqueConstraint("realm_id", "pattern"),
    info=exported(ExportFile.REALM, 11, "zerver_realmfilter", required=True),
)

zerver_realmplayground = Table(
    "zerver_realmplayground",
    metadata,
    big_id(),
    column("url_template", Text),
    column("name", Text, index=True),
    column("pygments_language", String(40), index=True),
    foreign_key("realm_id", "zerver_realm"),
    UniqueConstraint("realm_id", "pygments_language", "name"),
    info=exported(ExportFile.REALM, 12, "zerver_realmplayground", required=True),
)

zerver_realmuserdefault = Table(
    "zerver_realmuserdefault",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm", unique=True),
    *user_settings(),
    info=exported(ExportFile.REALM, 14, "zerver_realmuserdefault"),
)

zerver_presencesequence = Table(
    "zerver_presencesequence",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm", unique=True),
    unsigned("last_update_id", BigInteger),
    info=exported(ExportFile.REALM, 3, "zerver_presencesequence"),
)

zerver_realmexport = Table(
    "zerver_realmexport",
    metadata,
    big_id(),
    unsigned("type"),
    unsigned("status"),
    column("date_requested", UtcDateTime),
    column("date_started", UtcDateTime, null=True),
    column("date_succeeded", UtcDateTime, null=True),
    column("date_failed", UtcDateTime, null=True),
    column("date_deleted", UtcDateTime, null=True),
    column("export_path", Text, null=True),
    column("sha256sum_hex", String(64), null=True),
    unsigned("tarball_size_bytes", BigInteger, null=True),
    column("stats", Json, null=True),
    foreign_key("acting_user_id", "zerver_userprofile", null=True),
    foreign_key("realm_id", "zerver_realm"),
    info=exported(ExportFile.REALM, 10, "zerver_realmexport", imported=False),
)


# The last message of the whole server at that moment, mostly one of another realm. The server
# compares it with the ids of messages, and fails where it is missing.
_EVENT_LAST_MESSAGE = ColumnFacts(
    references=(Reference("zerver_message", dangling=Dangling.LAST_BEFORE),)
)

zerver_realmauditlog = Table(
    "zerver_realmauditlog",
    metadata,
    big_id(),
    column("event_time", UtcDateTime, index=True),
    flag("backfilled", False),
    column("extra_data", Json, default=dict, facts=EXTRA_DATA),
    unsigned("event_type"),
    column("event_last_message_id", Integer, null=True, facts=_EVENT_LAST_MESSAGE),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("acting_user_id", "zerver_userprofile", null=True, dangling=Dangling.NULL),
    foreign_key("modified_user_id", "zerver_userprofile", null=True),
    foreign_key("modified_stream_id", "zerver_stream", null=True),
    foreign_key("modified_user_group_id", "zerver_namedusergroup", null=True),
    index(
        "zerver_realmauditlog_realm__event_type__event_time",
        "realm_id",
        "event_type",
        "event_time",
    ),
    index(
        "zerver_realmauditlog_user_activations_idx",
        "modified_user_id",
        "event_time",
        where="event_type IN (101, 102, 103, 104)",
    ),
    index(
        "zerver_realmauditlog_user_subscriptions_idx",
        "modified_user_id",
        "modified_stream_id",
        where="event_type IN (301, 302, 303)",
    ),
    info=exported(ExportFile.REALM, 7, "zerver_realmauditlog"),
)
