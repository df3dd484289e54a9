"""What the audit log says in `extra_data`, as far as it has ids in it.

History, which nothing follows any more: an id that leads nowhere stays.
"""

from __future__ import annotations

from zcore.schema.facts import ColumnFacts, Dangling, Form, Reference, When

CHANNEL_SETTINGS = frozenset(
    {
        "moderation_request_channel",
        "new_stream_announcements_stream",
        "signup_announcements_stream",
        "zulip_update_announcements_stream",
    }
)
"""Properties of an organization that name a channel."""

GROUP_SETTINGS = frozenset(
    {
        # of organizations
        "can_access_all_users_group",
        "can_add_custom_emoji_group",
        "can_add_subscribers_group",
        "can_create_bots_group",
        "can_create_groups",
        "can_create_private_channel_group",
        "can_create_public_channel_group",
        "can_create_web_public_channel_group",
        "can_create_write_only_bots_group",
        "can_delete_any_message_group",
        "can_delete_own_message_group",
        "can_invite_users_group",
        "can_manage_all_groups",
        "can_manage_billing_group",
        "can_mention_many_users_group",
        "can_move_messages_between_channels_group",
        "can_move_messages_between_topics_group",
        "can_resolve_topics_group",
        "can_summarize_topics_group",
        "create_multiuse_invite_group",
        "direct_message_initiator_group",
        "direct_message_permission_group",
        # of channels
        "can_administer_channel_group",
        "can_remove_subscribers_group",
        "can_send_message_group",
        "can_subscribe_group",
        # of user groups
        "can_add_members_group",
        "can_join_group",
        "can_leave_group",
        "can_manage_group",
        "can_mention_group",
        "can_remove_members_group",
    }
)
"""Properties that name a user group, or say who is in one without a name."""

DEFAULT_CHANNEL_CHANGED = frozenset({129, 130})  # where a bot sends to, what it listens to
OLD_AND_NEW = ("1", "2")
WHAT_WAS_DONE = ("added", "changed", "removed")
EMOJI = (("added_emoji",), ("deactivated_emoji",), ("realm_emoji", "*"))


def _inside(target: str, *path: str, form: Form = Form.JSON, when: When | None = None) -> Reference:
    return Reference(target, form, path, when=when, dangling=Dangling.KEEP)


def _of_settings() -> tuple[Reference, ...]:
    """What a setting was before, and after."""
    channel = When("extra_data", CHANNEL_SETTINGS, path=("property",))
    group = When("extra_data", GROUP_SETTINGS, path=("property",))
    bot = When("event_type", DEFAULT_CHANNEL_CHANGED)
    return tuple(
        reference
        for value in OLD_AND_NEW
        for reference in (
            _inside("zerver_stream", value, when=channel),
            _inside("zerver_stream", value, when=bot),
            _inside("zerver_usergroup", value, when=group),
            _inside("zerver_userprofile", value, "direct_members", "*", when=group),
            _inside("zerver_usergroup", value, "direct_subgroups", "*", when=group),
        )
    )


def _of_emoji() -> tuple[Reference, ...]:
    """Lists of custom emoji: by id, with their authors and where their pictures are."""
    listed = tuple(
        reference
        for path in EMOJI
        for reference in (
            _inside("zerver_realmemoji", *path, "id"),
            _inside("zerver_userprofile", *path, "author_id"),
            _inside("zerver_realm", *path, "source_url", form=Form.PATH),
            _inside("zerver_realm", *path, "still_url", form=Form.PATH),
        )
    )
    return (*listed, _inside("zerver_realmemoji", "realm_emoji", form=Form.KEYS))


def _of_linkifiers_and_playgrounds() -> tuple[Reference, ...]:
    """Lists of them, and which one was added, changed or removed."""
    return tuple(
        _inside(target, *path, "id")
        for target, some, one in (
            ("zerver_realmfilter", "realm_linkifiers", "linkifier"),
            ("zerver_realmplayground", "realm_playgrounds", "playground"),
        )
        for path in ((some, "*"), *((f"{what}_{one}",) for what in WHAT_WAS_DONE))
    )


EXTRA_DATA = ColumnFacts(
    references=(
        _inside("zerver_usergroup", "subgroup_ids", "*"),
        _inside("zerver_usergroup", "supergroup_ids", "*"),
        _inside("zerver_realmexport", "realm_export_id"),
        _inside("zerver_userprofile", "muted_user_id"),
        _inside("zerver_userprofile", "unmuted_user_id"),
        _inside("zerver_message", "zulip_update_announcements_message_ids", "*"),
        *_of_settings(),
        *_of_emoji(),
        *_of_linkifiers_and_playgrounds(),
    )
)
