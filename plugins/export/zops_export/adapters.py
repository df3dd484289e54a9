"""What the servers before and after 10.0, and the converters, write in other words than 10.0.

A key that only became another default needs no adapter: the server's default fills it. What is
here was renamed, moved to another table, or became a group of users. `older_rows` and
`converted_rows` have the functions.
"""

from __future__ import annotations

from zcore import ImportAdapter
from zcore.organizations.group_settings import CHANNEL_GROUP_SETTINGS, REALM_GROUP_SETTINGS
from zcore.organizations.system_groups import GROUP_PERMISSIONS

OLDER, CONVERTED = "zops_export.older_rows", "zops_export.converted_rows"
USERS = "zerver_userprofile"
OF_VIEWS = ("default_view", "escape_navigates_to_default_view")


def _keys(columns: tuple[str, ...] | dict[str, str]) -> tuple[str, ...]:
    """The keys of foreign keys."""
    return tuple(column.removesuffix("_id") for column in columns)


ADAPTERS = [
    ImportAdapter(
        "realm-permissions",
        "zerver_realm",
        f"{OLDER}:realm_permissions",
        takes=(
            "add_custom_emoji_policy",
            "bot_creation_policy",
            "create_private_stream_policy",
            "create_public_stream_policy",
            "create_stream_policy",
            "create_web_public_stream_policy",
            "delete_own_message_policy",
            "edit_topic_policy",
            "invite_to_realm_policy",
            "invite_to_stream_policy",
            "move_messages_between_streams_policy",
            "private_message_policy",
            "user_group_edit_policy",
            "wildcard_mention_policy",
        ),
        gives=_keys(REALM_GROUP_SETTINGS),
        help="policies, which became groups until 10.0",
    ),
    ImportAdapter(
        "realm-edit-history",
        "zerver_realm",
        f"{OLDER}:edit_history",
        takes=("allow_edit_history",),
        help="who sees edit histories was yes or no until 9.0",
    ),
    ImportAdapter(
        "realm-announcements",
        "zerver_realm",
        f"{OLDER}:announcements",
        takes=("notifications_stream", "signup_notifications_stream"),
        help="the channels for announcements had other names until 8.0",
    ),
    ImportAdapter(
        "realm-topics",
        "zerver_realm",
        f"{OLDER}:topics",
        takes=("topics_policy",),
        help="what 11.0 has in place of mandatory topics",
    ),
    ImportAdapter(
        "realm-auth-methods",
        "zerver_realm",
        f"{OLDER}:auth_methods",
        takes=("authentication_methods",),
        into="zerver_realmauthenticationmethod",
        help="ways to log in were in the organization's row until 6.0",
    ),
    ImportAdapter(
        "realm-owner-secret",
        "zerver_realm",
        f"{OLDER}:owner_secret",
        gives=("uuid_owner_secret",),
        help="a new one where there is none",
    ),
    ImportAdapter(
        "channel-permissions",
        "zerver_stream",
        f"{OLDER}:channel_permissions",
        takes=("stream_post_policy", "is_announcement_only"),
        gives=_keys(CHANNEL_GROUP_SETTINGS),
        help="who may post was a policy until 9.0",
    ),
    ImportAdapter(
        "group-names",
        "zerver_usergroup",
        f"{OLDER}:named_group",
        takes=("name", "description", "is_system_group", "can_mention_group"),
        into="zerver_namedusergroup",
        help="groups with names were no rows of their own until 8.0",
    ),
    ImportAdapter(
        "group-permissions",
        "zerver_namedusergroup",
        f"{OLDER}:group_permissions",
        gives=_keys(GROUP_PERMISSIONS),
        help="what 10.0 asks of each group and versions before did not",
    ),
    ImportAdapter(
        "message-realm",
        "zerver_message",
        f"{OLDER}:message_realm",
        gives=("realm",),
        help="messages said nothing of their organization",
    ),
    ImportAdapter(
        "message-to-channel",
        "zerver_message",
        f"{OLDER}:to_channel",
        gives=("is_channel_message",),
        looks_up=("zerver_recipient.type",),
        help="whether it is one to a channel, which older messages do not say",
    ),
    *(
        ImportAdapter(
            f"{name}-views",
            table,
            f"{OLDER}:views",
            takes=OF_VIEWS,
            help="the view to begin with had another name until 7.0",
        )
        for name, table in (
            ("user", USERS),
            ("dummy", f"{USERS}_mirrordummy"),
            ("default", "zerver_realmuserdefault"),
        )
    ),
    ImportAdapter(
        "muted-topics",
        "zerver_mutedtopic",
        f"{OLDER}:muted_topic",
        takes=("date_muted",),
        into="zerver_usertopic",
        help="topics could only be muted until 5.0",
    ),
    ImportAdapter(
        "hotspots",
        "zerver_userhotspot",
        f"{OLDER}:hotspot",
        takes=("hotspot",),
        into="zerver_onboardingstep",
        help="onboarding steps had another name until 8.0",
    ),
    ImportAdapter(
        "presence-of-clients",
        "zerver_userpresence",
        f"{OLDER}:left_out",
        takes=("client", "status", "timestamp"),
        help="who was there was kept for each client until 6.0; it is left out",
    ),
    ImportAdapter(
        "converted-users",
        USERS,
        f"{CONVERTED}:user",
        takes=("short_name", "password", "api_key", "uuid"),
        only_converted=True,
        help="what an import makes anew anyway",
    ),
    ImportAdapter(
        "converted-channels",
        "zerver_stream",
        f"{CONVERTED}:channel",
        takes=("rendered_description",),
        only_converted=True,
        help="descriptions that nobody has rendered",
    ),
]
