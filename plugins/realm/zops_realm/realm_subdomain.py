"""`zops realm change-subdomain`: another place for an organization; the former one redirects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Refused, Result, ZopsError
from zcore.crash_points import crash_point
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.closing import close_realm, set_realm_columns, users_of
from zcore.organizations.codes import AuditEvent
from zcore.organizations.hosts import realm_url
from zcore.organizations.sessions import end_sessions
from zcore.schema.realms import zerver_realm
from zcore.validation import require_valid
from zops_realm.auth_methods import known_backends
from zops_realm.empty_realm import EmptyRealm, insert_empty_realm
from zops_realm.realm_deactivate import redirect, require_url
from zops_realm.realm_target import changing_realm, looking_at_realm

if TYPE_CHECKING:
    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work

REASON = "subdomain_change"  # why the organization that stays behind is deactivated


@dataclass(frozen=True, slots=True, kw_only=True)
class SubdomainRequest:
    """Where to move which organization. `leave_redirect`: the former place leads to the new one."""

    realm: str
    string_id: str
    allow: frozenset[str] = frozenset()
    leave_redirect: bool = True
    dry_run: bool = False


def run(context: Context, request: SubdomainRequest) -> Result:
    """Change the subdomain, and log everybody out: sessions are those of a place.

    Raises `Refused` for one that the rules do not allow.
    """
    with looking_at_realm(context, request.realm) as (_, realm):
        url = _require_possible(context, request, realm)
    if request.dry_run:
        return _report(request, realm, url, None)
    try:
        with changing_realm(context, request.realm) as (work, realm):
            placeholder_id = _write(work, request, realm, url)
            crash_point("realm-change-subdomain:before-commit")
    except ZopsError as error:
        if error.code == "integrity":  # was somebody else faster?
            _require_valid(context, request)
        raise
    return _report(request, realm, url, placeholder_id)


def _require_possible(context: Context, request: SubdomainRequest, realm: Realm) -> str | None:
    """The URL that the organization is going to have; None when the server's host is not known."""
    if request.string_id == realm.string_id:
        raise Refused(
            f"the organization {realm.name!r} has the subdomain {realm.string_id!r} already",
            code="subdomain-same",
        )
    _require_valid(context, request)
    url = realm_url(request.string_id, context.settings.external_host)
    if not request.leave_redirect:
        return url
    if url is None:
        raise Refused(
            "the former subdomain redirects to the new URL, which needs the server's host name",
            code="no-external-host",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml; or give"
            " --skip-redirect",
        )
    require_url(url)
    return url


def _require_valid(context: Context, request: SubdomainRequest) -> None:
    require_valid(
        context,
        "cannot change the subdomain",
        {"realm.subdomain": [request.string_id]},
        allow=request.allow,
        dry_run=request.dry_run,
    )


def _write(work: Work, request: SubdomainRequest, realm: Realm, url: str | None) -> int | None:
    """Move the organization. Returns the id of the one that stays behind, if one does."""
    set_realm_columns(
        work.connection,
        realm.realm_id,
        string_id=request.string_id,
        demo_organization_scheduled_deletion_date=None,
    )
    entry = AuditEntry(
        event_type=AuditEvent.REALM_SUBDOMAIN_CHANGED,
        realm_id=realm.realm_id,
        event_time=work.now,
        extra_data={"old_subdomain": realm.string_id, "new_subdomain": request.string_id},
    )
    write_audit_entries(work.connection, [entry])
    if url is not None:
        _redirect_former_ones(work, realm, url)
    details = {
        "old": {"string_id": realm.string_id},
        "new": {"string_id": request.string_id},
        "session_keys": end_sessions(work.connection, users_of(work.connection, realm.realm_id)),
    }
    work.changed(
        Change("realm.subdomain_changed", realm.realm_id, request.string_id, details=details)
    )
    return _leave_placeholder(work, realm, url) if request.leave_redirect and url else None


def _redirect_former_ones(work: Work, realm: Realm, url: str) -> None:
    """Let those places lead to the new one that led to the present one."""
    realms = zerver_realm.c
    former = realm_url(realm.string_id, work.context.settings.external_host)
    leading_here = sa.select(realms.id).where(
        realms.deactivated_redirect == former, realms.deactivated
    )
    for realm_id in work.connection.scalars(leading_here).all():
        redirect(work.connection, realm_id, url)


def _leave_placeholder(work: Work, realm: Realm, url: str) -> int:
    """A deactivated organization at the former subdomain, which redirects to `url`."""
    names = tuple(known_backends(work.context.plugins))
    empty = EmptyRealm(realm.name, realm.string_id, names)
    placeholder, _ = insert_empty_realm(work.connection, empty, work.now)
    work.changed(Change("realm.created", placeholder.realm_id, realm.string_id))
    close_realm(work.connection, placeholder.realm_id, REASON, work.now)
    redirect(work.connection, placeholder.realm_id, url)
    return placeholder.realm_id


def _report(
    request: SubdomainRequest, realm: Realm, url: str | None, placeholder_id: int | None
) -> Result:
    data: dict[str, object] = {
        "realm_id": realm.realm_id,
        "string_id": request.string_id,
        "old_string_id": realm.string_id,
        "url": url,
        "placeholder_id": placeholder_id,
    }
    place = url or f"the subdomain {request.string_id!r}"
    if request.dry_run:
        text = f"would move {realm.name!r} from {realm.string_id!r} to {place}; nothing was written"
        return Result(data | {"dry_run": True}, text=text)
    text = f"moved {realm.name!r} (id {realm.realm_id}) from {realm.string_id!r} to {place}"
    if placeholder_id is not None:
        text += f"\nthe former subdomain redirects there (organization id {placeholder_id})"
    return Result(data, text=text)
