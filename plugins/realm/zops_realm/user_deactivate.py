"""`zops user deactivate`: somebody cannot log in any more; what they wrote stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Refused, Result
from zcore.crash_points import crash_point
from zcore.organizations.audit import AuditEntry, role_counts, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.organizations.sessions import end_sessions
from zcore.schema.channels import zerver_subscription
from zcore.schema.users import zerver_userprofile
from zops_realm.invitations import end_invitations_by
from zops_realm.reports import report
from zops_realm.scheduled_emails import drop_scheduled_emails
from zops_realm.user_target import account_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zops_realm.changing import Work
    from zops_realm.user_target import Target


def deactivate_user(context: Context, realm: str, user: str, *, dry_run: bool = False) -> Result:
    """Deactivate the account and the bots that it owns, and log it out everywhere.

    Raises `Refused` for the last owner, and when the account is deactivated already.
    """
    with account_at(context, realm, user, dry_run=dry_run) as target:
        if not target.user.is_active:
            raise Refused(
                f"the account {target.user.shown} is deactivated already", code="user-deactivated"
            )
        target.require_other_owner("deactivate")
        bots = active_bots(target)
        if target.work is not None:
            _deactivate(target.work, target)
            crash_point("user-deactivate:before-commit")
    return _report(target, bots)


def active_bots(target: Target) -> dict[int, str]:
    """The bots that the account owns: their addresses by id."""
    users = zerver_userprofile.c
    owned = sa.select(users.id, users.delivery_email).where(
        users.bot_owner_id == target.user.user_id,
        users.is_bot,
        users.is_active,
        users.id != target.user.user_id,
    )
    return dict(target.connection.execute(owned.order_by(users.id)).all())


def _deactivate(work: Work, target: Target) -> None:
    """Write that the account and its bots are deactivated, and have plugins told."""
    realm = target.realm
    user_ids = (*active_bots(target), target.user.user_id)
    details = write_deactivation(work, realm.realm_id, user_ids)
    work.changed(Change("user.deactivated", realm.realm_id, realm.string_id, user_ids, details))


def write_deactivation(work: Work, realm_id: int, user_ids: Sequence[int]) -> Mapping[str, object]:
    """Write that accounts are deactivated. Returns what a change tells of it."""
    for user_id in user_ids:
        set_active(work, realm_id, user_id, is_active=False)
    drop_scheduled_emails(work.connection, user_ids)
    ended = sum(end_invitations_by(work.connection, user_id, work.now) for user_id in user_ids)
    return {
        "invitations_ended": ended,
        "session_keys": end_sessions(work.connection, user_ids),
    }


def set_active(work: Work, realm_id: int, user_id: int, *, is_active: bool) -> None:
    """Write that an account is active, or not any more, with its audit entry."""
    connection = work.connection
    users, subscriptions = zerver_userprofile, zerver_subscription
    connection.execute(sa.update(users).where(users.c.id == user_id).values(is_active=is_active))
    connection.execute(
        sa.update(subscriptions)
        .where(subscriptions.c.user_profile_id == user_id)
        .values(is_user_active=is_active)
    )
    entry = AuditEntry(
        event_type=AuditEvent.USER_REACTIVATED if is_active else AuditEvent.USER_DEACTIVATED,
        realm_id=realm_id,
        event_time=work.now,
        modified_user_id=user_id,
        extra_data=role_counts(connection, realm_id),
    )
    write_audit_entries(connection, [entry])


def _report(target: Target, bots: dict[int, str]) -> Result:
    what = f"the account {target.user.shown} in {target.realm.name!r}"
    if bots:
        what += f" and its bots {', '.join(bots.values())}"
    more = {"is_active": False, "bots": list(bots.values())}
    return report(target, ("deactivated", "would deactivate"), what, more)
