"""`zops user change-name` and `zops user change-email`: what somebody is called, and known by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Context, Refused, Result, Validation
from zcore.crash_points import crash_point
from zcore.organizations.codes import (
    AUDIT_NEW_VALUE,
    AUDIT_OLD_VALUE,
    AuditEvent,
    EmailVisibility,
)
from zcore.text import is_text
from zcore.validation import find_problems, refuse
from zops_realm.accounts import find_account
from zops_realm.reports import report
from zops_realm.rules.emails import normalized
from zops_realm.rules.full_names import comparable
from zops_realm.user_target import Target, account_at, note_in_log, tell_change, update_user

if TYPE_CHECKING:
    from zops_realm.changing import Work


def change_name(
    context: Context, realm: str, user: str, full_name: str, *, dry_run: bool = False
) -> Result:
    """Give somebody another name. Raises `Refused` when a rule refuses it."""
    full_name = full_name.strip()
    with account_at(context, realm, user, dry_run=dry_run) as target:
        former = target.user.full_name
        if former == full_name:
            raise Refused(f"the name of {target.user.shown} is that already", code="name-same")
        own = comparable(former) == comparable(full_name)
        passed = frozenset({"full-name-taken"} if own else ())
        _require_valid(context, target, "user.full_name", full_name, passed)
        if target.work is not None:
            update_user(target.work, target.user.user_id, full_name=full_name)
            values = {AUDIT_OLD_VALUE: former, AUDIT_NEW_VALUE: full_name}
            note_in_log(target.work, target, AuditEvent.USER_FULL_NAME_CHANGED, values)
            details = {"old": {"full_name": former}, "new": {"full_name": full_name}}
            tell_change(target.work, target, "user.name_changed", details)
            crash_point("user-change-name:before-commit")
    what = f"the name of {target.user.shown} from {former!r} to {full_name!r}"
    more = {"old_full_name": former, "full_name": full_name}
    return report(target, ("changed", "would change"), what, more)


def change_email(
    context: Context, realm: str, user: str, email: str, *, dry_run: bool = False
) -> Result:
    """Give somebody another address, without asking them at either. Raises `Refused`."""
    email = normalized(email.strip())
    with account_at(context, realm, user, dry_run=dry_run) as target:
        former = target.user.delivery_email
        if former == email:
            raise Refused(f"the address of {target.user.shown} is that already", code="email-same")
        own = email.lower() in (former.lower(), target.user.email.lower())
        if not own:
            _refuse_taken(target, email)
        passed = frozenset({"email-taken"} if own else ())
        _require_valid(context, target, "user.email", email, passed)
        if target.work is not None:
            _change_email(target.work, target, email)
            crash_point("user-change-email:before-commit")
    what = f"the address of {target.user.shown} to {email}"
    more = {"old_email": former, "email": email}
    return report(target, ("changed", "would change"), what, more)


def _refuse_taken(target: Target, email: str) -> None:
    """Say whose address it is, when it is another account's."""
    other = (
        find_account(target.connection, target.realm.realm_id, email) if is_text(email) else None
    )
    if other is not None:
        raise Refused(
            f"the address {email} is that of another account: {other.email} (id {other.user_id})",
            code="email-taken",
            hint="use another address",
        )


def _change_email(work: Work, target: Target, email: str) -> None:
    user = target.user
    is_shown = user.email_address_visibility == EmailVisibility.EVERYONE
    shown = email if is_shown else user.email
    update_user(work, user.user_id, delivery_email=email, email=shown)
    note_in_log(work, target, AuditEvent.USER_EMAIL_CHANGED, by_user=True)
    details = {
        "old": {"email": user.email, "delivery_email": user.delivery_email},
        "new": {"email": shown, "delivery_email": email},
    }
    tell_change(work, target, "user.email_changed", details)


def _require_valid(
    context: Context, target: Target, subject: str, value: str, passed: frozenset[str]
) -> None:
    """Raise `Refused` when a rule refuses `value`, for another reason than those in `passed`.

    What an account has itself is not taken by another one.
    """
    validation = Validation(
        settings=context.settings,
        database=context.database.read_only,
        realm_id=target.realm.realm_id,
    )
    problems = find_problems(context.plugins, {subject: [value]}, validation)
    standing = [problem for problem in problems if problem.code not in passed]
    refuse(f"cannot change {target.user.shown}", standing)
