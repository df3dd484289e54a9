"""How rows of other versions of the server are read: the targets of `adapters`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from zcore.identifiers import realm_owner_secret
from zcore.organizations.group_settings import CHANNEL_GROUP_SETTINGS, REALM_GROUP_SETTINGS
from zcore.organizations.system_groups import (
    ADMINISTRATORS,
    EVERYONE,
    FULL_MEMBERS,
    GROUP_PERMISSIONS,
    MEMBERS,
    MODERATORS,
    NOBODY,
    OWNERS,
)

if TYPE_CHECKING:
    from zcore import AdaptedExport

Row = Mapping[str, object]
Keys = dict[str, object]
Groups = Mapping[object, str]

# What the numbers of the policies meant; most of them were numbered alike.
COMMON: Groups = {1: MEMBERS, 2: ADMINISTRATORS, 3: FULL_MEMBERS, 4: MODERATORS}
OR_NOBODY: Groups = {**COMMON, 6: NOBODY}
OR_EVERYONE: Groups = {**COMMON, 5: EVERYONE}
# By setting: the policies that it was before, the later first, and what their numbers meant.
POLICIES: Mapping[str, tuple[tuple[str, ...], Groups]] = {
    "can_add_custom_emoji_group": (("add_custom_emoji_policy",), COMMON),
    "can_add_subscribers_group": (("invite_to_stream_policy",), COMMON),
    "can_create_bots_group": (
        ("bot_creation_policy",),
        {1: MEMBERS, 2: ADMINISTRATORS, 3: ADMINISTRATORS},
    ),
    "can_create_groups": (("user_group_edit_policy",), COMMON),
    "can_create_private_channel_group": (
        ("create_private_stream_policy", "create_stream_policy"),
        COMMON,
    ),
    "can_create_public_channel_group": (
        ("create_public_stream_policy", "create_stream_policy"),
        COMMON,
    ),
    "can_create_web_public_channel_group": (
        ("create_web_public_stream_policy",),
        {2: ADMINISTRATORS, 4: MODERATORS, 6: NOBODY, 7: OWNERS},
    ),
    "can_create_write_only_bots_group": (
        ("bot_creation_policy",),
        {1: MEMBERS, 2: MEMBERS, 3: ADMINISTRATORS},
    ),
    "can_delete_own_message_group": (("delete_own_message_policy",), OR_EVERYONE),
    "can_invite_users_group": (("invite_to_realm_policy",), OR_NOBODY),
    "can_manage_all_groups": (
        ("user_group_edit_policy",),  # only those who could manage all could do it by any policy
        dict.fromkeys(COMMON, ADMINISTRATORS),
    ),
    "can_mention_many_users_group": (
        ("wildcard_mention_policy",),
        {
            1: EVERYONE,
            2: MEMBERS,
            3: FULL_MEMBERS,
            5: ADMINISTRATORS,
            6: NOBODY,
            7: MODERATORS,
        },
    ),
    "can_move_messages_between_channels_group": (
        ("move_messages_between_streams_policy",),
        OR_NOBODY,
    ),
    "can_move_messages_between_topics_group": (
        ("edit_topic_policy",),
        {**OR_EVERYONE, 6: NOBODY},
    ),
    "direct_message_permission_group": (("private_message_policy",), {1: EVERYONE, 2: NOBODY}),
}
POST_POLICY: Groups = {1: EVERYONE, 2: ADMINISTRATORS, 3: FULL_MEMBERS, 4: MODERATORS}
VISIBLE_TO_ALL, VISIBLE_TO_NOBODY = 1, 3
TOPIC_REQUIRED = 3
MUTED = 1
CHANNEL = 2


def realm_permissions(row: Row, export: AdaptedExport) -> Keys:
    """The group for each permission that names none: by its former policy, else the default."""
    keys: Keys = {}
    for column, default in REALM_GROUP_SETTINGS.items():
        setting = column.removesuffix("_id")
        if row.get(setting) is None:
            keys[setting] = export.system_group(_by_policy(row, setting) or default)
    moving = row.get("can_move_messages_between_topics_group")
    if "can_resolve_topics_group" in keys and moving is None:  # they were one permission
        keys["can_resolve_topics_group"] = keys["can_move_messages_between_topics_group"]
    return keys


def _by_policy(row: Row, setting: str) -> str | None:
    policies, groups = POLICIES.get(setting, ((), {}))
    return next((groups.get(row[policy]) for policy in policies if policy in row), None)


def edit_history(row: Row, export: AdaptedExport) -> Keys:
    """Who may see it: everybody, or nobody."""
    seen = row.get("allow_edit_history") is not False
    return {"message_edit_history_visibility_policy": VISIBLE_TO_ALL if seen else VISIBLE_TO_NOBODY}


def announcements(row: Row, export: AdaptedExport) -> Keys:
    """The channels for announcements under their names of today."""
    return {
        "new_stream_announcements_stream": row.get("notifications_stream"),
        "signup_announcements_stream": row.get("signup_notifications_stream"),
    }


def topics(row: Row, export: AdaptedExport) -> Keys:
    """Whether messages need a topic."""
    return {"mandatory_topics": row.get("topics_policy") == TOPIC_REQUIRED}


def auth_methods(row: Row, export: AdaptedExport) -> list[Keys]:
    """A row for each way to log in that is enabled: pairs of a name and whether it is."""
    listed = row.get("authentication_methods")
    pairs = listed.items() if isinstance(listed, Mapping) else listed
    return [
        {"realm": row.get("id"), "name": name}
        for name, enabled in (pairs if isinstance(pairs, list) else list(pairs or ()))  # type: ignore[call-overload]  # pairs, else it fails by name
        if enabled
    ]


def owner_secret(row: Row, export: AdaptedExport) -> Keys:
    """What an organization proves itself with to the service for mobile notifications."""
    return {"uuid_owner_secret": realm_owner_secret()}


def channel_permissions(row: Row, export: AdaptedExport) -> Keys:
    """The group for each permission that names none."""
    keys: Keys = {}
    for column, default in CHANNEL_GROUP_SETTINGS.items():
        setting = column.removesuffix("_id")
        if row.get(setting) is None:
            keys[setting] = export.system_group(_posting(row, setting) or default)
    return keys


def _posting(row: Row, setting: str) -> str | None:
    if setting != "can_send_message_group":
        return None
    if "stream_post_policy" in row:
        return POST_POLICY.get(row["stream_post_policy"])
    return ADMINISTRATORS if row.get("is_announcement_only") is True else None


def named_group(row: Row, export: AdaptedExport) -> list[Keys]:
    """The name of a group, as a row of its own. Role groups had an "@" before theirs."""
    keys: Keys = {
        "id": row.get("id"),
        "usergroup_ptr": row.get("id"),
        "realm_for_sharding": row.get("realm"),
        "name": _without_at(row),
        "description": row.get("description", ""),
        "is_system_group": row.get("is_system_group", False),
        "can_mention_group": row.get("can_mention_group"),
    }
    return [{**keys, **group_permissions(keys, export)}]


def _without_at(row: Row) -> object:
    name = row.get("name")
    if row.get("is_system_group") is True and isinstance(name, str):
        return name.removeprefix("@")
    return name


def group_permissions(row: Row, export: AdaptedExport) -> Keys:
    """As the server's own upgrades fill them in; system groups are nobody's to change."""
    of_system = row.get("is_system_group") is True
    keys: Keys = {}
    for column in GROUP_PERMISSIONS:
        setting = column.removesuffix("_id")
        if row.get(setting) is None:
            make = _nobody if of_system else OF_GROUPS.get(setting, _nobody)
            keys[setting] = make(row, export)
    return keys


def _nobody(row: Row, export: AdaptedExport) -> int:
    return export.system_group(NOBODY)


def _everyone(row: Row, export: AdaptedExport) -> int:
    return export.system_group(EVERYONE)


def _those_who_could(row: Row, export: AdaptedExport) -> object:
    """Who could add members to any group before; members only to the groups that they are in."""
    policy = export.realm.get("user_group_edit_policy")
    if policy == 1:
        return row.get("id")
    return export.system_group(ADMINISTRATORS if policy == 2 else MODERATORS)


OF_GROUPS: Mapping[str, Callable[[Row, AdaptedExport], object]] = {
    "can_add_members_group": _those_who_could,
    "can_leave_group": _everyone,
    "can_mention_group": _everyone,
}


def message_realm(row: Row, export: AdaptedExport) -> Keys:
    """The only organization that there is."""
    return {"realm": export.realm.get("id")}


def to_channel(row: Row, export: AdaptedExport) -> Keys:
    """Whether its recipient is a channel."""
    kind = export.value("zerver_recipient", row.get("recipient"), "type")
    return {"is_channel_message": kind == CHANNEL}


def views(row: Row, export: AdaptedExport) -> Keys:
    """The first view, and whether the escape key leads there."""
    renamed = {
        "default_view": "web_home_view",
        "escape_navigates_to_default_view": "web_escape_navigates_to_home_view",
    }
    return {new: row[old] for old, new in renamed.items() if old in row}


def muted_topic(row: Row, export: AdaptedExport) -> list[Keys]:
    """What a user has decided about a topic, in the form that it has now."""
    kept = {key: row.get(key) for key in ("id", "user_profile", "stream", "recipient")}
    return [
        {
            **kept,
            "topic_name": row.get("topic_name"),
            "last_updated": row.get("date_muted"),
            "visibility_policy": MUTED,
        }
    ]


def hotspot(row: Row, export: AdaptedExport) -> list[Keys]:
    """The same under its new name."""
    kept = {key: row.get(key) for key in ("id", "user", "timestamp")}
    return [{**kept, "onboarding_step": row.get("hotspot")}]


def left_out(row: Row, export: AdaptedExport) -> None:
    """There is nothing in it that would be of use."""
    return
