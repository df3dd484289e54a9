"""`zops create-realm`: an organization and its owner, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, RealmCreated, Result, ZopsError
from zcore.crash_points import crash_point
from zcore.internal_realm import ensure_internal_realm
from zcore.organizations.codes import AuditEvent, Role
from zcore.organizations.hosts import realm_url
from zcore.schema.realms import zerver_realmauditlog
from zcore.validation import Subjects, require_valid
from zops_realm.accounts import Person, create_accounts
from zops_realm.auth_methods import is_password_used, known_backends, note_linking, stored_name
from zops_realm.changing import Work, changing
from zops_realm.empty_realm import EmptyRealm, insert_empty_realm
from zops_realm.rules.emails import normalized
from zops_realm.settling import settle_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zcore import CreatedUser
    from zcore.organizations.realms import InsertedRealm
    from zops_realm.new_password import NewPassword


@dataclass(frozen=True, slots=True, kw_only=True)
class RealmRequest:
    """What create-realm was asked for. `auth_methods`: the only ways to log in; none means all."""

    name: str
    string_id: str
    email: str
    full_name: str
    password: NewPassword
    allow: frozenset[str] = frozenset()
    auth_methods: tuple[str, ...] = ()
    bare: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class CreatedRealm:
    """The ids of what was made."""

    realm_id: int
    owner_id: int


def run(context: Context, request: RealmRequest) -> Result:
    """Validate everything, then write everything in one transaction.

    Raises `Refused` with all problems at once; nothing is written then.
    """
    _require_valid(context, request)
    url = realm_url(request.string_id, context.settings.external_host)
    if request.dry_run:
        return _report(request, url, None)
    password = request.password.column()  # outside of the transaction: it takes a while
    try:
        with changing(context) as work:
            created = create(work, request, password)
    except ZopsError as error:
        if error.code == "integrity":  # was somebody else faster?
            _require_valid(context, request)
        raise
    if request.password.text is None:
        note_linking(context, created.realm_id)
    return _report(request, url, created)


def _require_valid(context: Context, request: RealmRequest) -> None:
    subjects: Subjects = {
        "realm.name": [request.name],
        "realm.subdomain": [request.string_id],
        "user.email": [normalized(request.email)],
        "user.full_name": [request.full_name],
        "user.password": request.password.texts,
        "realm.auth_method": request.auth_methods,
        "realm.auth_methods": [request.auth_methods] if request.auth_methods else [],
    }
    require_valid(
        context,
        "cannot create the organization",
        subjects,
        allow=request.allow,
        dry_run=request.dry_run,
    )


def asks_for_password(context: Context, auth_methods: Iterable[str]) -> bool:
    """Does an organization with these ways to log in, none meaning all, ask for passwords?"""
    return is_password_used(_enabled(context, auth_methods), known_backends(context.plugins))


def _enabled(context: Context, auth_methods: Iterable[str]) -> tuple[str, ...]:
    """The ways to log in that an organization is to have, as Zulip writes them."""
    known = known_backends(context.plugins)
    chosen = (stored_name(name, known) for name in auth_methods)
    return tuple(dict.fromkeys(chosen)) or tuple(known)


def create(work: Work, request: RealmRequest, password: str) -> CreatedRealm:
    """Write what `request`, already validated, asks for.

    `password` is what the owner's column is to hold.
    """
    connection, now = work.connection, work.now
    ensure_internal_realm(connection)
    realm, channels = insert_empty_realm(connection, _empty_realm(work, request), now)
    crash_point("create-realm:after-realm")
    (owner,) = create_accounts(connection, realm.realm_id, [_owner(request, password)], now)
    _name_creator(connection, realm, owner.user_id)
    crash_point("create-realm:after-owner")
    work.call_hook("zops_realm_created", _event(work, request, realm, owner, channels))
    crash_point("create-realm:after-introduction")
    settle_in(
        work,
        realm.realm_id,
        request.string_id,
        [owner],
        realm_creation=True,
        bare=request.bare,
    )
    details = {"bare": request.bare}
    work.changed(Change("realm.created", realm.realm_id, request.string_id, details=details))
    crash_point("create-realm:before-commit")
    return CreatedRealm(realm.realm_id, owner.user_id)


def _empty_realm(work: Work, request: RealmRequest) -> EmptyRealm:
    return EmptyRealm(
        name=request.name.strip(),
        string_id=request.string_id,
        authentication_methods=_enabled(work.context, request.auth_methods),
    )


def _owner(request: RealmRequest, password: str) -> Person:
    return Person(
        email=normalized(request.email),
        full_name=request.full_name.strip(),
        password=password,
        role=Role.OWNER,
    )


def _event(
    work: Work,
    request: RealmRequest,
    realm: InsertedRealm,
    owner: CreatedUser,
    channels: Mapping[str, int],
) -> RealmCreated:
    return RealmCreated(
        connection=work.connection,
        now=work.now,
        publish=work.publish,
        realm_id=realm.realm_id,
        string_id=request.string_id,
        name=request.name.strip(),
        owner=owner,
        channel_ids=channels,
        bare=request.bare,
    )


def _name_creator(connection: sa.Connection, realm: InsertedRealm, owner_id: int) -> None:
    """Say in the audit log who created the realm, now that they have an account."""
    entries = zerver_realmauditlog.c
    connection.execute(
        sa.update(zerver_realmauditlog)
        .where(entries.realm_id == realm.realm_id, entries.event_type == AuditEvent.REALM_CREATED)
        .values(acting_user_id=owner_id)
    )


def _report(request: RealmRequest, url: str | None, created: CreatedRealm | None) -> Result:
    email = normalized(request.email)
    data = {
        "realm_id": created.realm_id if created else None,
        "string_id": request.string_id,
        "url": url,
        "owner": {"user_id": created.owner_id if created else None, "email": email},
    }
    place = url or (f"subdomain {request.string_id!r}" if request.string_id else "the root domain")
    if created is None:
        text = f"would create the organization {request.name!r} at {place}, with the owner {email}"
        return Result(data | {"dry_run": True}, text=f"{text}; nothing was written")
    text = f"created the organization {request.name!r} (id {created.realm_id}) at {place}\n"
    return Result(data, text=f"{text}its owner is {email} (id {created.owner_id})")
