"""Which system group each permission of a new realm or channel names."""

from __future__ import annotations

from zcore.organizations.system_groups import (
    ADMINISTRATORS,
    EVERYONE,
    MEMBERS,
    NOBODY,
    OWNERS,
    SystemGroups,
)

REALM_GROUP_SETTINGS = {
    "can_access_all_users_group_id": EVERYONE,
    "can_add_custom_emoji_group_id": MEMBERS,
    "can_add_subscribers_group_id": MEMBERS,
    "can_create_bots_group_id": MEMBERS,
    "can_create_groups_id": MEMBERS,
    "can_create_private_channel_group_id": MEMBERS,
    "can_create_public_channel_group_id": MEMBERS,
    "can_create_web_public_channel_group_id": OWNERS,
    "can_create_write_only_bots_group_id": MEMBERS,
    "can_delete_any_message_group_id": ADMINISTRATORS,
    "can_delete_own_message_group_id": EVERYONE,
    "can_invite_users_group_id": MEMBERS,
    "can_manage_all_groups_id": OWNERS,
    "can_manage_billing_group_id": ADMINISTRATORS,
    "can_mention_many_users_group_id": ADMINISTRATORS,
    "can_move_messages_between_channels_group_id": MEMBERS,
    "can_move_messages_between_topics_group_id": EVERYONE,
    "can_resolve_topics_group_id": EVERYONE,
    "can_summarize_topics_group_id": EVERYONE,
    "create_multiuse_invite_group_id": ADMINISTRATORS,
    "direct_message_initiator_group_id": EVERYONE,
    "direct_message_permission_group_id": EVERYONE,
}

CHANNEL_GROUP_SETTINGS = {
    "can_add_subscribers_group_id": NOBODY,
    "can_administer_channel_group_id": NOBODY,
    "can_remove_subscribers_group_id": ADMINISTRATORS,
    "can_send_message_group_id": EVERYONE,
    "can_subscribe_group_id": NOBODY,
}


def realm_group_settings(groups: SystemGroups) -> dict[str, int]:
    """Values for the permission columns of `zerver_realm`: column name to group id."""
    return {column: groups[name] for column, name in REALM_GROUP_SETTINGS.items()}


def channel_group_settings(groups: SystemGroups) -> dict[str, int]:
    """Values for the permission columns of `zerver_stream`: column name to group id."""
    return {column: groups[name] for column, name in CHANNEL_GROUP_SETTINGS.items()}
