"""`zops realm deactivate`: nobody can use an organization any more; everything in it stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zcore import Change, Context, Refused, Result
from zcore.crash_points import crash_point
from zcore.organizations.closing import close_realm, set_realm_columns
from zcore.organizations.codes import DEACTIVATION_REASONS
from zops_realm.deactivation_mails import mail_owners, require_worker
from zops_realm.realm_target import changing_realm, looking_at_realm

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work

LONGEST_URL = 128  # the width of the column


@dataclass(frozen=True, slots=True, kw_only=True)
class DeactivationRequest:
    """What to deactivate, and why. `redirect`: the URL that visitors are sent to.

    `deletion_delay_days`: after so many days the server deletes what people wrote; None: never.
    """

    realm: str
    reason: str = DEACTIVATION_REASONS[0]
    redirect: str | None = None
    deletion_delay_days: int | None = None
    email_owners: bool = False
    dry_run: bool = False


def run(context: Context, request: DeactivationRequest) -> Result:
    """Deactivate the organization, and log everybody out.

    One that is deactivated already can only be given another redirect. Raises `Refused`.
    """
    if request.redirect is not None:
        require_url(request.redirect)
    if request.email_owners:
        require_worker(context)
    if request.dry_run:
        with looking_at_realm(context, request.realm) as (_, realm):
            _require_something_to_do(realm, request)
            return _report(realm, request)
    with changing_realm(context, request.realm) as (work, realm):
        _require_something_to_do(realm, request)
        deletion, mailed = _deletion_date(work.now, request), 0
        if request.redirect is not None:
            redirect(work.connection, realm.realm_id, request.redirect)
        if not realm.deactivated:
            _set_deletion_date(work, realm, deletion)
            _deactivate(work, realm, request.reason)
            if request.deletion_delay_days == 0:
                _delete_at_once(work, realm)
            if request.email_owners:
                mailed = mail_owners(work, realm, deletion)
        crash_point("realm-deactivate:before-commit")
    return _report(realm, request, deletion, mailed)


def _deactivate(work: Work, realm: Realm, reason: str) -> None:
    """Deactivate the organization, log everybody out, and have plugins told."""
    closed = close_realm(work.connection, realm.realm_id, reason, work.now)
    details = {"session_keys": list(closed.session_keys)}
    work.changed(Change("realm.deactivated", realm.realm_id, realm.string_id, details=details))


def redirect(connection: sa.Connection, realm_id: int, url: str) -> None:
    """Where visitors of the organization are sent while it is deactivated."""
    set_realm_columns(connection, realm_id, deactivated_redirect=url)


def require_url(url: str) -> None:
    """Raise `Refused` when visitors cannot be sent to `url`."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
    except ValueError:
        is_url = False
    if not is_url or " " in url:
        raise Refused(
            f"{url!r} is not the URL of a web page",
            code="redirect-url",
            hint="write it as https://chat.example.com",
        )
    if len(url) > LONGEST_URL:
        raise Refused(
            f"the URL to redirect to has {len(url)} characters",
            code="redirect-length",
            hint=f"use up to {LONGEST_URL} characters",
        )


def _require_something_to_do(realm: Realm, request: DeactivationRequest) -> None:
    more = request.deletion_delay_days is not None or request.email_owners
    only_redirect = request.redirect is not None and not more
    if realm.deactivated and not only_redirect:
        raise Refused(
            f"the organization {realm.name!r} is deactivated already",
            code="realm-deactivated",
            hint="it can only be given another --redirect; reactivate it for anything else",
        )


def _deletion_date(now: datetime, request: DeactivationRequest) -> datetime | None:
    days = request.deletion_delay_days
    return None if days is None else now + timedelta(days=days)


def _set_deletion_date(work: Work, realm: Realm, date: datetime | None) -> None:
    if date is not None:
        set_realm_columns(work.connection, realm.realm_id, scheduled_deletion_date=date)


def _delete_at_once(work: Work, realm: Realm) -> None:
    """Have the server delete what people wrote now; it does so daily, where nobody asks."""
    event = {"type": "scrub_deactivated_realm", "realm_id": realm.realm_id}
    work.publish("deferred_work", event)


def _report(
    realm: Realm,
    request: DeactivationRequest,
    deletion: datetime | None = None,
    mailed: int = 0,
) -> Result:
    data: dict[str, object] = {
        "realm_id": realm.realm_id,
        "string_id": realm.string_id,
        "reason": None if realm.deactivated else request.reason,
        "redirect": request.redirect,
        "scheduled_deletion_date": deletion.isoformat() if deletion else None,
        "owners_mailed": mailed,
    }
    done = "would deactivate" if request.dry_run else "deactivated"
    text = f"{done} {realm.name!r} (id {realm.realm_id})"
    if realm.deactivated:
        text = f"{realm.name!r} (id {realm.realm_id}) is deactivated already"
    if request.redirect:
        text += f"; its visitors are sent to {request.redirect}"
    if request.deletion_delay_days is not None:
        text += f"; the server deletes what is in it after {request.deletion_delay_days} days"
    if mailed:
        text += f"; queued mails to {mailed} {'owner' if mailed == 1 else 'owners'}"
    if request.dry_run:
        return Result(data | {"dry_run": True}, text=f"{text}; nothing was written")
    return Result(data, text=text)
