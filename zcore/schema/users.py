"""Users, human and bot, and what each has for himself."""

from __future__ import annotations

from sqlalchemy import Integer, SmallInteger, String, Table, Text, UniqueConstraint

from zcore.identifiers import random_uuid
from zcore.schema.columns import (
    EMOJI_CODE,
    LEFT_OUT,
    MENTIONING,
    SECRET,
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
from zcore.schema.facts import (
    ColumnFacts,
    Dangling,
    ExportFile,
    ExtraKey,
    Form,
    Reference,
    When,
)
from zcore.schema.types import GuidText, Json, UtcDateTime
from zcore.schema.user_settings import user_settings

USER_FIELD_TYPE = 6
"""The `field_type` of a custom profile field whose values are lists of users."""

_LAST_ACTIVE_MESSAGE = ColumnFacts(
    references=(Reference("zerver_message", dangling=Dangling.NULL),)
)
_PROFILE_VALUE = ColumnFacts(
    references=(
        Reference(
            "zerver_userprofile",
            Form.JSON,
            ("*",),
            when=When("field_type", USER_FIELD_TYPE, through="field_id"),
        ),
    )
)

zerver_userprofile = Table(
    "zerver_userprofile",
    metadata,
    int_id(),
    column("password", String(128), facts=SECRET),
    column("api_key", String(32), unique=True, facts=SECRET),
    column("uuid", GuidText, unique=True, default=random_uuid, facts=LEFT_OUT),
    column("delivery_email", String(254), index=True),
    column("email", String(254), index=True),
    column("full_name", String(100)),
    column("date_joined", UtcDateTime),
    column("last_login", UtcDateTime, null=True),
    column("last_reminder", UtcDateTime, null=True),
    column("last_active_message_id", Integer, null=True, facts=_LAST_ACTIVE_MESSAGE),
    column("tos_version", String(10), null=True),
    unsigned("role", default=400, index=True),
    flag("is_active", True, index=True),
    flag("is_staff", False),
    flag("is_superuser", False),
    flag("is_mirror_dummy", False),
    flag("long_term_idle", False, index=True),
    flag("is_bot", False, index=True),
    unsigned("bot_type", null=True, index=True),
    flag("can_forge_sender", False, index=True),
    flag("can_create_users", False, index=True),
    flag("can_change_user_emails", False, index=True),
    flag("default_all_public_streams", False),
    column("rate_limits", String(100), default=""),
    column("timezone", String(40), default=""),
    column("avatar_source", String(1), default="G"),
    unsigned("avatar_version", default=1),
    column("avatar_hash", String(64), null=True),
    column("zoom_token", Json, null=True),
    foreign_key("realm_id", "zerver_realm"),
    # a user without a subscription to himself has no recipient in an export
    foreign_key("recipient_id", "zerver_recipient", null=True, dangling=Dangling.NULL),
    foreign_key("bot_owner_id", "zerver_userprofile", null=True),
    foreign_key("default_sending_stream_id", "zerver_stream", null=True),
    foreign_key("default_events_register_stream_id", "zerver_stream", null=True),
    *user_settings(),
    index("upper_userprofile_email_idx", "upper(email)"),
    index("zerver_userprofile_realm_id_email_uniq", "realm_id", "upper(email)", unique=True),
    index(
        "zerver_userprofile_realm_id_delivery_email_uniq",
        "realm_id",
        "upper(delivery_email)",
        unique=True,
    ),
    info=exported(
        ExportFile.REALM,
        16,
        "zerver_userprofile",
        "zerver_userprofile_mirrordummy",
        "zerver_userprofile_crossrealm",
        required=True,
        extra_keys=(ExtraKey("groups"), ExtraKey("user_permissions")),
    ),
)

zerver_service = Table(
    "zerver_service",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    column("name", String(100)),
    column("base_url", Text),
    column("token", Text),
    unsigned("interface", default=1),
    info=exported(ExportFile.REALM, 19, "zerver_service"),
)

zerver_botstoragedata = Table(
    "zerver_botstoragedata",
    metadata,
    big_id(),
    foreign_key("bot_profile_id", "zerver_userprofile"),
    column("key", Text, index=True),
    column("value", Text),
    UniqueConstraint("bot_profile_id", "key"),
    info=exported(ExportFile.REALM, 20, "zerver_botstoragedata"),
)

zerver_botconfigdata = Table(
    "zerver_botconfigdata",
    metadata,
    big_id(),
    foreign_key("bot_profile_id", "zerver_userprofile"),
    column("key", Text, index=True),
    column("value", Text),
    UniqueConstraint("bot_profile_id", "key"),
    info=exported(ExportFile.REALM, 21, "zerver_botconfigdata"),
)

zerver_customprofilefield = Table(
    "zerver_customprofilefield",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    column("name", String(40)),
    column("hint", String(80), default=""),
    column("order", Integer, default=0),
    flag("display_in_profile_summary", False),
    flag("required", False),
    flag("editable_by_user", True, server_default="true"),
    unsigned("field_type"),
    column("field_data", Text, default=""),
    UniqueConstraint("realm_id", "name"),
    info=exported(ExportFile.REALM, 6, "zerver_customprofilefield", required=True),
)

zerver_customprofilefieldvalue = Table(
    "zerver_customprofilefieldvalue",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("field_id", "zerver_customprofilefield"),
    column("value", Text, facts=_PROFILE_VALUE),
    column("rendered_value", Text, null=True, facts=MENTIONING),
    UniqueConstraint("user_profile_id", "field_id"),
    info=exported(ExportFile.REALM, 24, "zerver_customprofilefieldvalue", required=True),
)

zerver_alertword = Table(
    "zerver_alertword",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("user_profile_id", "zerver_userprofile"),
    column("word", Text),
    UniqueConstraint("user_profile_id", "word"),
    info=exported(ExportFile.REALM, 23, "zerver_alertword"),
)

zerver_muteduser = Table(
    "zerver_muteduser",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("muted_user_id", "zerver_userprofile"),
    column("date_muted", UtcDateTime),
    UniqueConstraint("user_profile_id", "muted_user_id"),
    info=exported(ExportFile.REALM, 25, "zerver_muteduser"),
)

zerver_onboardingstep = Table(
    "zerver_onboardingstep",
    metadata,
    big_id(),
    foreign_key("user_id", "zerver_userprofile"),
    column("onboarding_step", String(40)),
    column("timestamp", UtcDateTime),
    UniqueConstraint("user_id", "onboarding_step"),
    info=exported(ExportFile.REALM, 26, "zerver_onboardingstep"),
)

zerver_savedsnippet = Table(
    "zerver_savedsnippet",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("user_profile_id", "zerver_userprofile"),
    column("title", Text),
    column("content", Text),
    column("date_created", UtcDateTime),
    info=exported(ExportFile.REALM, 27, "zerver_savedsnippet"),
)

zerver_userstatus = Table(
    "zerver_userstatus",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile", unique=True),
    foreign_key("client_id", "zerver_client"),
    column("timestamp", UtcDateTime),
    column("status_text", String(255), default=""),
    column("emoji_name", Text),
    column("emoji_code", Text, facts=EMOJI_CODE),
    column("reaction_type", String(30)),
    info=exported(ExportFile.REALM, 31, "zerver_userstatus"),
)

zerver_usertopic = Table(
    "zerver_usertopic",
    metadata,
    big_id(),
    foreign_key("user_profile_id", "zerver_userprofile"),
    foreign_key("stream_id", "zerver_stream"),
    foreign_key("recipient_id", "zerver_recipient"),
    column("topic_name", String(60)),
    column("last_updated", UtcDateTime),
    column("visibility_policy", SmallInteger, default=1),
    index(
        "usertopic_case_insensitive_topic_uniq",
        "user_profile_id",
        "stream_id",
        "lower(topic_name)",
        unique=True,
    ),
    index("zerver_mutedtopic_stream_topic", "stream_id", "upper(topic_name)"),
    index(
        "zerver_usertopic_stream_topic_user_visibility_idx",
        "stream_id",
        "topic_name",
        "visibility_policy",
        "user_profile_id",
    ),
    index(
        "zerver_usertopic_user_visibility_idx",
        "user_profile_id",
        "visibility_policy",
        "stream_id",
        "topic_name",
    ),
    info=exported(ExportFile.REALM, 32, "zerver_usertopic"),
)

zerver_pushdevicetoken = Table(
    "zerver_pushdevicetoken",
    metadata,
    big_id(),
    foreign_key("user_id", "zerver_userprofile"),
    unsigned("kind"),
    column("token", String(4096), index=True),
    column("last_updated", UtcDateTime),
    column("ios_app_id", Text, null=True),
    UniqueConstraint("user_id", "kind", "token"),
)
