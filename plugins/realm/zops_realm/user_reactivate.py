"""`zops user reactivate`: somebody who was deactivated can log in again."""

from __future__ import annotations

from zcore import Context, Refused, Result
from zcore.crash_points import crash_point
from zops_realm.reports import report
from zops_realm.user_deactivate import set_active
from zops_realm.user_target import Target, account_at, tell_change


def reactivate_user(context: Context, realm: str, user: str, *, dry_run: bool = False) -> Result:
    """Reactivate the account, with the role, groups and channels that it had.

    Raises `Refused` when it is active, or one that nobody has used yet.
    """
    with account_at(context, realm, user, dry_run=dry_run) as target:
        _require_inactive(target)
        if target.work is not None:
            set_active(target.work, target.realm.realm_id, target.user.user_id, is_active=True)
            tell_change(target.work, target, "user.reactivated")
            crash_point("user-reactivate:before-commit")
    done = f"the {target.user.role_name} {target.user.shown} in {target.realm.name!r}"
    return report(target, ("reactivated", "would reactivate"), done, {"is_active": True})


def _require_inactive(target: Target) -> None:
    user = target.user
    if user.is_active:
        raise Refused(f"the account {user.shown} is active", code="user-active")
    if user.is_mirror_dummy:
        raise Refused(
            f"{user.shown} is a placeholder: of somebody deleted, or for messages from elsewhere",
            code="user-placeholder",
            hint="a person signs up with the address, or gets an account with 'zops create-user'",
        )
