"""Events about who is in which user group."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from zcore.organizations.codes import Role
from zcore.organizations.system_groups import FULL_MEMBERS, GROUPS_OF_ROLE
from zops_realm.server.audience import everybody, who_miss
from zops_realm.server.event_json import permission_json
from zops_realm.server.notices import Notice

if TYPE_CHECKING:
    from zops_realm.server.organization import Account, Organization


def joined(now: Organization, account: Account) -> Iterator[Notice]:
    """A new account in the system groups: that of its role, then that of full members."""
    groups = now.groups_of.get(account.id, frozenset())
    names = sorted(now.system_groups, key=lambda name: name == FULL_MEMBERS)
    for group_id in (now.system_groups[name] for name in names):
        if group_id in groups:
            yield _membership(everybody(now), "add_members", group_id, account.id)


def came_back(now: Organization, account: Account) -> Iterator[Notice]:
    """An account counts again in all of its groups, and in permissions of its own."""
    yield from _all_groups(now, account, "add_members", everybody(now))


def went_away(now: Organization, account: Account) -> Iterator[Notice]:
    """An account no longer counts in its groups.

    Whoever sees the account is told that it is inactive, and knows this by it.
    """
    yield from _all_groups(now, account, "remove_members", who_miss(now, account))


def changed(now: Organization, account: Account, former: int) -> Iterator[Notice]:
    """Out of the groups of the former role, into those of the present one."""
    past = {now.system_groups[name] for name in GROUPS_OF_ROLE[Role(former)]}
    present = now.groups_of.get(account.id, frozenset())
    full_members = now.system_groups[FULL_MEMBERS]
    for groups in ({*now.system_groups.values()} - {full_members}, {full_members}):
        for group_id in sorted(groups & (past - present)):
            yield _membership(everybody(now), "remove_members", group_id, account.id)
        for group_id in sorted(groups & (present - past)):
            yield _membership(everybody(now), "add_members", group_id, account.id)


def _all_groups(
    now: Organization, account: Account, op: str, users: Collection[int]
) -> Iterator[Notice]:
    groups = now.groups_of.get(account.id, frozenset())
    for group_id in sorted(groups & now.named_groups):
        yield _membership(users, op, group_id, account.id)
    for group_id in sorted(groups - now.named_groups):
        yield from _permissions(now, group_id, users)


def _permissions(now: Organization, group_id: int, users: Collection[int]) -> Iterator[Notice]:
    """Who has the permissions now that a group without a name stands for."""
    for named_group, column in now.settings_by_group(group_id):
        data = {column.removesuffix("_id"): permission_json(now, group_id)}
        if named_group is None:
            yield Notice.to(users, type="realm", op="update_dict", property="default", data=data)
        else:
            yield Notice.to(users, type="user_group", op="update", group_id=named_group, data=data)


def _membership(users: Collection[int], op: str, group_id: int, user_id: int) -> Notice:
    return Notice.to(users, type="user_group", op=op, group_id=group_id, user_ids=[user_id])
