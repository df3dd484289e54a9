"""The eight system groups of a realm, and who is in which of them.

Every permission of a realm names a group, so a realm without them cannot be used. The server
knows them by name; their descriptions are what it stores itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent, Role
from zcore.organizations.inserts import insert_returning_ids, insert_rows
from zcore.schema.groups import (
    zerver_groupgroupmembership,
    zerver_namedusergroup,
    zerver_usergroup,
    zerver_usergroupmembership,
)

if TYPE_CHECKING:
    from datetime import datetime

NOBODY = "role:nobody"
OWNERS = "role:owners"
ADMINISTRATORS = "role:administrators"
MODERATORS = "role:moderators"
FULL_MEMBERS = "role:fullmembers"
MEMBERS = "role:members"
EVERYONE = "role:everyone"
INTERNET = "role:internet"

# In the order in which the server makes them. After the first, each is inside the next one.
DESCRIPTIONS = {
    NOBODY: "Nobody",
    OWNERS: "Owners of this organization",
    ADMINISTRATORS: "Administrators of this organization, including owners",
    MODERATORS: "Moderators of this organization, including administrators",
    FULL_MEMBERS: "Members of this organization, not including new accounts and guests",
    MEMBERS: "Members of this organization, not including guests",
    EVERYONE: "Everyone in this organization, including guests",
    INTERNET: "Everyone on the Internet",
}

GROUPS_OF_ROLE: Mapping[Role, tuple[str, ...]] = {
    Role.OWNER: (OWNERS,),
    Role.ADMINISTRATOR: (ADMINISTRATORS,),
    Role.MODERATOR: (MODERATORS,),
    Role.MEMBER: (MEMBERS, FULL_MEMBERS),
    Role.GUEST: (EVERYONE,),
}

# Who may do what with a system group: nobody may do anything.
GROUP_PERMISSIONS = (
    "can_add_members_group_id",
    "can_join_group_id",
    "can_leave_group_id",
    "can_manage_group_id",
    "can_mention_group_id",
    "can_remove_members_group_id",
)

SystemGroups = Mapping[str, int]
"""Ids (`zerver_usergroup.id`) of one realm's system groups by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleHolder:
    """A user who is to be a member of the groups of their role.

    `is_provisional`: a member still in the realm's waiting period, so not yet a full member.
    `acting_user_id` goes into the audit log (a new human acts for themselves, NULL: the server).
    """

    user_id: int
    role: Role
    since: datetime
    acting_user_id: int | None = None
    is_provisional: bool = False

    def groups(self) -> Iterator[str]:
        """Names of the system groups that they belong in."""
        for name in GROUPS_OF_ROLE[self.role]:
            if not (self.is_provisional and name == FULL_MEMBERS):
                yield name


def create_system_groups(
    connection: sa.Connection, realm_id: int, event_time: datetime
) -> dict[str, int]:
    """Make the system groups of a realm that has none, linked and with their audit entries.

    Returns their ids by name. The caller adds members (`add_to_role_groups`).
    """
    rows = [{"realm_id": realm_id} for _ in DESCRIPTIONS]
    ids = insert_returning_ids(connection, zerver_usergroup, rows)
    groups = dict(zip(DESCRIPTIONS, ids, strict=True))
    _insert_named_groups(connection, realm_id, groups)
    write_audit_entries(connection, _created_entries(realm_id, event_time, groups))
    _insert_links(connection, groups)
    write_audit_entries(connection, _link_entries(realm_id, event_time, groups))
    return groups


def read_system_groups(connection: sa.Connection, realm_id: int) -> dict[str, int]:
    """Ids of the realm's system groups by name; empty for a realm without them."""
    named = zerver_namedusergroup.c
    chosen = sa.select(named.name, named.usergroup_ptr_id).where(
        named.realm_id == realm_id, named.is_system_group
    )
    return dict(connection.execute(chosen).all())


def add_to_role_groups(
    connection: sa.Connection, realm_id: int, groups: SystemGroups, holders: Iterable[RoleHolder]
) -> None:
    """Make each of `holders` a member of the system groups of their role, with audit entries."""
    memberships: list[dict[str, int]] = []
    entries: list[AuditEntry] = []
    for holder in holders:
        for name in holder.groups():
            memberships.append({"user_group_id": groups[name], "user_profile_id": holder.user_id})
            entries.append(_joined_entry(realm_id, groups[name], holder))
    insert_rows(connection, zerver_usergroupmembership, memberships)
    write_audit_entries(connection, entries)


def _joined_entry(realm_id: int, group_id: int, holder: RoleHolder) -> AuditEntry:
    return AuditEntry(
        event_type=AuditEvent.USER_ADDED_TO_GROUP,
        realm_id=realm_id,
        event_time=holder.since,
        acting_user_id=holder.acting_user_id,
        modified_user_id=holder.user_id,
        modified_user_group_id=group_id,
    )


def _insert_named_groups(connection: sa.Connection, realm_id: int, groups: SystemGroups) -> None:
    permissions = dict.fromkeys(GROUP_PERMISSIONS, groups[NOBODY])
    rows = [
        {
            "usergroup_ptr_id": groups[name],
            "realm_id": realm_id,
            "name": name,
            "description": description,
            "is_system_group": True,
            "deactivated": False,
            **permissions,
        }
        for name, description in DESCRIPTIONS.items()
    ]
    connection.execute(sa.insert(zerver_namedusergroup), rows)


def _links(groups: SystemGroups) -> Iterator[tuple[int, int]]:
    """(subgroup, supergroup), from the owners outwards."""
    nested = [groups[name] for name in DESCRIPTIONS if name != NOBODY]
    yield from pairwise(nested)


def _insert_links(connection: sa.Connection, groups: SystemGroups) -> None:
    rows = [{"subgroup_id": sub, "supergroup_id": super_} for sub, super_ in _links(groups)]
    connection.execute(sa.insert(zerver_groupgroupmembership), rows)


def _created_entries(
    realm_id: int, event_time: datetime, groups: SystemGroups
) -> Iterator[AuditEntry]:
    for group_id in groups.values():
        yield AuditEntry(
            event_type=AuditEvent.USER_GROUP_CREATED,
            realm_id=realm_id,
            event_time=event_time,
            modified_user_group_id=group_id,
        )


def _link_entries(
    realm_id: int, event_time: datetime, groups: SystemGroups
) -> Iterator[AuditEntry]:
    for subgroup, supergroup in _links(groups):
        yield AuditEntry(
            event_type=AuditEvent.SUBGROUP_ADDED,
            realm_id=realm_id,
            event_time=event_time,
            modified_user_group_id=supergroup,
            extra_data={"subgroup_ids": [subgroup]},
        )
        yield AuditEntry(
            event_type=AuditEvent.SUPERGROUP_ADDED,
            realm_id=realm_id,
            event_time=event_time,
            modified_user_group_id=subgroup,
            extra_data={"supergroup_ids": [supergroup]},
        )
