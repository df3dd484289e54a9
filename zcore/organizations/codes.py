"""The numbers that Zulip stores for roles, events and kinds, and the name of its own realm."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


INTERNAL_REALM = "zulipinternal"  # its subdomain


class Role(enum.IntEnum):
    """`zerver_userprofile.role`."""

    OWNER = 100
    ADMINISTRATOR = 200
    MODERATOR = 300
    MEMBER = 400
    GUEST = 600


# The words of the command line, in the order of falling rights.
ROLES_BY_NAME = {
    "owner": Role.OWNER,
    "admin": Role.ADMINISTRATOR,
    "moderator": Role.MODERATOR,
    "member": Role.MEMBER,
    "guest": Role.GUEST,
}
ROLE_NAMES: Mapping[int, str] = {role: name for name, role in ROLES_BY_NAME.items()}


class RecipientType(enum.IntEnum):
    """`zerver_recipient.type`."""

    PERSONAL = 1
    CHANNEL = 2
    DIRECT_MESSAGE_GROUP = 3


class EmailVisibility(enum.IntEnum):
    """`email_address_visibility`: who sees a user's own address."""

    EVERYONE = 1
    MEMBERS = 2
    ADMINISTRATORS = 3
    NOBODY = 4
    MODERATORS = 5


class BotType(enum.IntEnum):
    """`zerver_userprofile.bot_type`; NULL for a human."""

    GENERIC = 1
    INCOMING_WEBHOOK = 2
    OUTGOING_WEBHOOK = 3
    EMBEDDED = 4


# Why an organization is deactivated, as the audit log has it: what a person can choose from.
DEACTIVATION_REASONS = ("owner_request", "tos_violation", "inactivity", "self_hosting_migration")


class AuditEvent(enum.IntEnum):
    """`zerver_realmauditlog.event_type`."""

    USER_CREATED = 101
    USER_DEACTIVATED = 103
    USER_REACTIVATED = 104
    USER_ROLE_CHANGED = 105
    USER_DELETED_PRESERVING_MESSAGES = 107
    USER_SPECIAL_PERMISSION_CHANGED = 108
    USER_SOFT_ACTIVATED = 120
    USER_PASSWORD_CHANGED = 122
    USER_AVATAR_SOURCE_CHANGED = 123
    USER_FULL_NAME_CHANGED = 124
    USER_EMAIL_CHANGED = 125
    USER_API_KEY_CHANGED = 127
    USER_SETTING_CHANGED = 132
    REALM_DEACTIVATED = 201
    REALM_REACTIVATED = 202
    REALM_PLAN_TYPE_CHANGED = 204
    REALM_EXPORTED = 206
    REALM_PROPERTY_CHANGED = 207
    REALM_SUBDOMAIN_CHANGED = 214
    REALM_CREATED = 215
    REALM_IMPORTED = 229
    SUBSCRIPTION_CREATED = 301
    SUBSCRIPTION_ACTIVATED = 302
    SUBSCRIPTION_DEACTIVATED = 303
    CHANNEL_CREATED = 601
    USER_GROUP_CREATED = 701
    USER_ADDED_TO_GROUP = 703
    USER_REMOVED_FROM_GROUP = 704
    SUBGROUP_ADDED = 705
    SUPERGROUP_ADDED = 707


# Keys inside `zerver_realmauditlog.extra_data`.
AUDIT_OLD_VALUE = "1"
AUDIT_NEW_VALUE = "2"
AUDIT_ROLE_COUNT = "10"
AUDIT_HUMANS_BY_ROLE = "11"
AUDIT_BOT_COUNT = "12"
