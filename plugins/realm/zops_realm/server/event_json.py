"""Accounts and channels as events describe them to clients.

Where the server says what zops does not know, the value says so: the weekly traffic of a channel
is null, which clients show as not known yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore.organizations.codes import Role
from zcore.organizations.system_groups import (
    ADMINISTRATORS,
    EVERYONE,
    FULL_MEMBERS,
    MODERATORS,
)
from zcore.schema.channels import CHANNEL_GROUP_SETTINGS
from zops_realm.server.audience import sees_address

if TYPE_CHECKING:
    from zops_realm.server.organization import Account, Channel, Organization, Viewer

Json = dict[str, object]

GRAVATAR = "G"  # `avatar_source` of accounts whose picture Gravatar knows
UNKNOWN_AVATAR = "/static/images/unknown-user-avatar.png"  # a file of every server
MEDIUM_PIXELS = 500
# `stream_post_policy`, an older way to say who may write, by the system group that may
POST_POLICIES = {EVERYONE: 1, ADMINISTRATORS: 2, FULL_MEMBERS: 3, MODERATORS: 4}
COPIED_CHANNEL_COLUMNS = (
    "creator_id",
    "description",
    "first_message_id",
    "history_public_to_subscribers",
    "invite_only",
    "is_recently_active",
    "is_web_public",
    "message_retention_days",
    "name",
    "rendered_description",
)
COPIED_SUBSCRIPTION_COLUMNS = (
    "audible_notifications",
    "color",
    "desktop_notifications",
    "email_notifications",
    "is_muted",
    "pin_to_top",
    "push_notifications",
    "wildcard_mentions_notify",
)


def gravatar_url(account: Account, *, medium: bool = False) -> str:
    """Where the picture of an account is, as far as it is Gravatar's to know."""
    address = account.delivery_email.lower().encode()
    name = hashlib.md5(address, usedforsecurity=False).hexdigest()
    size = f"&s={MEDIUM_PIXELS}" if medium else ""
    version = account.avatar_version
    return f"https://secure.gravatar.com/avatar/{name}?d=identicon{size}&version={version}"


def person(account: Account, viewer: Viewer) -> Json:
    """A human account, as `viewer` may see it."""
    return {
        "email": account.email,
        "user_id": account.id,
        "avatar_version": account.avatar_version,
        "is_admin": account.role in (Role.OWNER, Role.ADMINISTRATOR),
        "is_owner": account.role == Role.OWNER,
        "is_guest": account.role == Role.GUEST,
        "role": account.role,
        "is_bot": account.is_bot,
        "full_name": account.full_name,
        "timezone": account.timezone,
        "is_active": account.is_active,
        "date_joined": account.date_joined.isoformat(timespec="minutes"),
        "delivery_email": account.delivery_email if sees_address(viewer, account) else None,
        "avatar_url": gravatar_url(account),
        "profile_data": {},
    }


def unknown_person(account: Account, host: str) -> Json:
    """What those are shown of a human account who may not see it; `host` is the organization's."""
    return {
        "email": f"user{account.id}@{host}",
        "user_id": account.id,
        "avatar_version": 1,
        "is_admin": False,
        "is_owner": False,
        "is_guest": False,
        "role": int(Role.MEMBER),
        "is_bot": False,
        "full_name": "Unknown user",
        "timezone": "",
        "is_active": True,
        "date_joined": datetime.fromtimestamp(0, UTC).isoformat(),
        "delivery_email": None,
        "avatar_url": UNKNOWN_AVATAR,
        "profile_data": {},
    }


def avatar(account: Account) -> Json:
    """The picture of an account that Gravatar knows."""
    return {
        "avatar_source": account.avatar_source,
        "avatar_url": gravatar_url(account),
        "avatar_url_medium": gravatar_url(account, medium=True),
        "avatar_version": account.avatar_version,
        "user_id": account.id,
    }


def channel_json(now: Organization, channel: Channel) -> Json:
    """A channel, as those see it who are not subscribed."""
    policy = _post_policy(now, channel)
    return {
        "stream_id": channel.id,
        "date_created": int(channel.row["date_created"].timestamp()),
        "is_archived": channel.row["deactivated"],
        "is_announcement_only": policy == POST_POLICIES[ADMINISTRATORS],
        "stream_post_policy": policy,
        "stream_weekly_traffic": None,
        **{name: channel.row[name] for name in COPIED_CHANNEL_COLUMNS},
        **{
            column.removesuffix("_id"): _group(now, channel.row[column])
            for column in CHANNEL_GROUP_SETTINGS
        },
    }


def subscription_json(now: Organization, channel: Channel, row: Mapping[str, object]) -> Json:
    """A channel, as a subscriber sees it; `row` is the subscription."""
    return {
        **channel_json(now, channel),
        **{name: row[name] for name in COPIED_SUBSCRIPTION_COLUMNS},
        "in_home_view": not row["is_muted"],
        "subscribers": sorted(channel.subscribers),
    }


def permission_json(now: Organization, group_id: int) -> Json:
    """Who has a permission that a group without a name stands for."""
    users, groups = now.group_members(group_id)
    return {"direct_members": users, "direct_subgroups": groups}


def _post_policy(now: Organization, channel: Channel) -> int:
    may_write = channel.row["can_send_message_group_id"]
    names = {group_id: name for name, group_id in now.system_groups.items()}
    return POST_POLICIES.get(names.get(may_write, ""), POST_POLICIES[EVERYONE])


def _group(now: Organization, group_id: int) -> int | Json:
    """The number of a group that has a name, or the members of one that has none."""
    if group_id in now.named_groups:
        return group_id
    return permission_json(now, group_id)
