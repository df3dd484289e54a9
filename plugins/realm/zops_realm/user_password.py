"""`zops user change-password`: another password for somebody, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Context, Refused, Result
from zcore.crash_points import crash_point
from zcore.identifiers import random_api_key
from zcore.organizations.codes import AuditEvent
from zcore.validation import require_valid
from zops_realm.reports import report
from zops_realm.user_target import account_at, note_in_log, tell_change, update_user

if TYPE_CHECKING:
    from zops_realm.changing import Work
    from zops_realm.new_password import NewPassword
    from zops_realm.user_target import Target

CLEAR_DEVICES = "clear_push_device_tokens"  # an event of the queue `deferred_work`


def change_password(
    context: Context,
    realm: str,
    user: str,
    password: NewPassword,
    *,
    rotate_api_key: bool = False,
    dry_run: bool = False,
) -> Result:
    """Set a password; `rotate_api_key` also gives a new API key, so that old clients stop.

    As on the server, the key stays otherwise. Raises `Refused` when a rule refuses the password,
    and for bots, which log in with their key.
    """
    require_valid(
        context, "cannot change the password", {"user.password": password.texts}, dry_run=dry_run
    )
    column = password.column()
    with account_at(context, realm, user, dry_run=dry_run) as target:
        if target.user.is_bot:
            raise Refused(
                f"{target.user.shown} is a bot: it logs in with its API key",
                code="user-bot",
                hint="its owner makes a new key in the settings of bots",
            )
        if target.work is not None:
            _change(target.work, target, column, rotate_api_key=rotate_api_key)
            crash_point("user-change-password:before-commit")
    what = f"the password of {target.user.shown}"
    if not password.texts:
        what += ": it has none now"
    if rotate_api_key:
        what += ", and its API key"
    more = {"has_password": bool(password.texts), "api_key_rotated": rotate_api_key}
    return report(target, ("changed", "would change"), what, more)


def _change(work: Work, target: Target, column: str, *, rotate_api_key: bool) -> None:
    user_id = target.user.user_id
    update_user(work, user_id, password=column)
    note_in_log(work, target, AuditEvent.USER_PASSWORD_CHANGED, by_user=True)
    details: dict[str, object] = {}
    if rotate_api_key:
        update_user(work, user_id, api_key=random_api_key())
        note_in_log(work, target, AuditEvent.USER_API_KEY_CHANGED, by_user=True)
        work.publish("deferred_work", {"type": CLEAR_DEVICES, "user_profile_id": user_id})
        details = {"old": {"api_key": target.user.api_key}}
    tell_change(work, target, "user.password_changed", details)
