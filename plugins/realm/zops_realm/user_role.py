"""`zops user change-role`: what somebody may do in an organization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, Refused, Result
from zcore.crash_points import crash_point
from zcore.organizations.audit import AuditEntry, role_counts, write_audit_entries
from zcore.organizations.codes import (
    AUDIT_NEW_VALUE,
    AUDIT_OLD_VALUE,
    ROLE_NAMES,
    AuditEvent,
    Role,
)
from zcore.organizations.system_groups import FULL_MEMBERS, GROUPS_OF_ROLE
from zcore.schema.groups import zerver_usergroupmembership
from zcore.schema.realms import zerver_realm
from zops_realm.accounts import system_groups_of
from zops_realm.reports import report
from zops_realm.user_target import account_at, note_in_log, tell_change, update_user

if TYPE_CHECKING:
    from datetime import datetime

    from zops_realm.changing import Work
    from zops_realm.user_target import Target


def change_role(
    context: Context, realm: str, user: str, role: Role, *, dry_run: bool = False
) -> Result:
    """Give the account another role, and the groups that go with it.

    Raises `Refused` for the last owner, and when the account has the role already.
    """
    with account_at(context, realm, user, dry_run=dry_run) as target:
        if target.user.role == role:
            raise Refused(
                f"the account {target.user.shown} has the role {ROLE_NAMES[role]} already",
                code="role-same",
            )
        target.require_other_owner("take the role of owner from")
        if target.work is not None:
            _change(target.work, target, role)
            crash_point("user-change-role:before-commit")
    former, present = target.user.role_name, ROLE_NAMES[role]
    what = f"{target.user.shown} in {target.realm.name!r} from {former} to {present}"
    more = {"old_role": former, "role": present}
    return report(target, ("changed", "would change"), what, more)


def _change(work: Work, target: Target, role: Role) -> None:
    user = target.user
    update_user(work, user.user_id, role=int(role))
    values = {AUDIT_OLD_VALUE: user.role, AUDIT_NEW_VALUE: int(role)}
    counts = role_counts(work.connection, target.realm.realm_id)
    note_in_log(work, target, AuditEvent.USER_ROLE_CHANGED, values | counts)
    _change_groups(work, target, role)
    details = {"old": {"role": user.role}, "new": {"role": int(role)}}
    tell_change(work, target, "user.role_changed", details)


def _change_groups(work: Work, target: Target, role: Role) -> None:
    """Out of the group of the former role into that of the new one; full members come last."""
    groups = system_groups_of(work.connection, target.realm.realm_id)
    former = GROUPS_OF_ROLE[Role(target.user.role)]
    present = GROUPS_OF_ROLE[role]
    _leave(work, target, groups[former[0]])
    _join(work, target, groups[present[0]])
    if FULL_MEMBERS in former and _is_member(work, target, groups[FULL_MEMBERS]):
        _leave(work, target, groups[FULL_MEMBERS])
    if FULL_MEMBERS in present and not _is_provisional(work, target):
        _join(work, target, groups[FULL_MEMBERS])


def _leave(work: Work, target: Target, group_id: int) -> None:
    memberships = zerver_usergroupmembership
    work.connection.execute(
        sa.delete(memberships).where(
            memberships.c.user_profile_id == target.user.user_id,
            memberships.c.user_group_id == group_id,
        )
    )
    _note(work, target, group_id, AuditEvent.USER_REMOVED_FROM_GROUP)


def _join(work: Work, target: Target, group_id: int) -> None:
    if not _is_member(work, target, group_id):
        row = {"user_group_id": group_id, "user_profile_id": target.user.user_id}
        work.connection.execute(sa.insert(zerver_usergroupmembership), row)
    _note(work, target, group_id, AuditEvent.USER_ADDED_TO_GROUP)


def _is_member(work: Work, target: Target, group_id: int) -> bool:
    memberships = zerver_usergroupmembership.c
    chosen = sa.select(memberships.id).where(
        memberships.user_profile_id == target.user.user_id, memberships.user_group_id == group_id
    )
    return work.connection.execute(chosen).first() is not None


def _note(work: Work, target: Target, group_id: int, event_type: AuditEvent) -> None:
    entry = AuditEntry(
        event_type=event_type,
        realm_id=target.realm.realm_id,
        event_time=work.now,
        modified_user_id=target.user.user_id,
        modified_user_group_id=group_id,
    )
    write_audit_entries(work.connection, [entry])


def _is_provisional(work: Work, target: Target) -> bool:
    """Is the member still in the days after which the organization makes full members?"""
    realms = zerver_realm.c
    days = sa.select(realms.waiting_period_threshold).where(realms.id == target.realm.realm_id)
    joined: datetime = target.user.date_joined
    return (work.now - joined).days < (work.connection.scalar(days) or 0)
