"""`zops create-user`: an account in an organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Refused, Result, ZopsError
from zcore.crash_points import crash_point
from zcore.organizations.codes import INTERNAL_REALM, ROLE_NAMES, EmailVisibility, Role
from zcore.organizations.hosts import display_email_host
from zcore.organizations.lookup import Realm, describe, find_realm
from zcore.schema.realms import zerver_realmuserdefault
from zcore.validation import Subjects, require_valid
from zops_realm.accounts import Account, Person, create_accounts, find_account
from zops_realm.changing import Work, changing
from zops_realm.rules.emails import normalized
from zops_realm.settling import settle_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import CreatedUser
    from zops_realm.new_password import NewPassword


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRequest:
    """What create-user was asked for."""

    realm: str
    email: str
    full_name: str
    password: NewPassword
    role: Role = Role.MEMBER
    if_not_exists: bool = False
    bare: bool = False
    dry_run: bool = False


def run(context: Context, request: UserRequest) -> Result:
    """Validate everything, then write everything in one transaction.

    Raises `Refused` with all problems at once; nothing is written then.
    """
    realm, existing = _look(context, request)
    if existing is not None:
        return _accept(request, existing)
    try:
        return _make(context, request, realm)
    except ZopsError as error:
        return _after_a_race(context, request, realm, error)


def _make(context: Context, request: UserRequest, realm: Realm) -> Result:
    _require_valid(context, request, realm)
    display_host = _display_host(context, realm)
    if request.dry_run:
        return _report(request, realm, None)
    person = _person(request)
    with changing(context) as work:
        (user,) = create(work, realm, [person], display_host, bare=request.bare)
    return _report(request, realm, user.user_id)


def _look(context: Context, request: UserRequest) -> tuple[Realm, Account | None]:
    """The realm, and the account with this address if there is one that decides the matter."""
    database = context.existing_database if request.dry_run else context.database
    if database is None:
        raise Refused(
            f"there is no organization {describe(request.realm)}",
            code="no-realm",
            hint="there is no database yet: create an organization with 'zops create-realm'",
        )
    with database.read() as connection:
        realm = find_realm(connection, request.realm)
        existing = find_account(connection, realm.realm_id, normalized(request.email))
    _refuse_realm(realm)
    if existing is not None:
        _refuse_account(realm, existing)
    return realm, existing if request.if_not_exists else None


def _refuse_realm(realm: Realm) -> None:
    if realm.string_id == INTERNAL_REALM:
        raise Refused(
            f"{INTERNAL_REALM!r} is for the server's own bots",
            code="internal-realm",
            hint="create the account in an organization of yours",
        )
    if realm.deactivated:
        raise Refused(
            f"the organization {realm.name!r} is deactivated",
            code="realm-deactivated",
            hint="reactivate it before creating accounts in it",
        )


def _refuse_account(realm: Realm, existing: Account) -> None:
    """Refuse an account that is there but cannot be used as it is."""
    place = f"in {realm.name!r} (user id {existing.user_id})"
    if existing.is_mirror_dummy:
        raise Refused(
            f"{existing.email!r} is a placeholder {place}, made for messages from elsewhere",
            code="user-placeholder",
            hint="the person takes it over by signing up with that address",
        )
    if not existing.is_active:
        raise Refused(
            f"the account {existing.email!r} {place} is deactivated",
            code="user-deactivated",
            hint="reactivate that account instead of creating a second one",
        )
    if existing.is_bot:
        raise Refused(
            f"{existing.email!r} is a bot {place}", code="user-bot", hint="use another address"
        )


def _accept(request: UserRequest, existing: Account) -> Result:
    data = {"user_id": existing.user_id, "email": existing.email, "created": False}
    text = f"the account {existing.email} (id {existing.user_id}) is already there"
    if existing.role != request.role:
        text += f", with the role {ROLE_NAMES.get(existing.role, existing.role)}"
    return Result(data, text=text)


def _require_valid(context: Context, request: UserRequest, realm: Realm) -> None:
    subjects: Subjects = {
        "user.email": [normalized(request.email)],
        "user.full_name": [request.full_name],
        "user.password": request.password.texts,
    }
    require_valid(context, "cannot create the account", subjects, realm_id=realm.realm_id)


def _display_host(context: Context, realm: Realm) -> str | None:
    """The host of the address that others see; None where they may see the real one."""
    defaults = zerver_realmuserdefault.c
    visibility = sa.select(defaults.email_address_visibility).where(
        defaults.realm_id == realm.realm_id
    )
    with context.database.read() as connection:
        hidden = connection.scalar(visibility) != EmailVisibility.EVERYONE
    if not hidden:
        return None
    external_host = context.settings.external_host
    if external_host is None:
        raise Refused(
            f"the organization {realm.name!r} hides its users' addresses, and the address shown "
            "instead needs the server's host name",
            code="no-external-host",
            hint="set ZOPS_EXTERNAL_HOST, or external_host under [server] in zops.toml",
        )
    return display_email_host(realm.string_id, external_host)


def _person(request: UserRequest) -> Person:
    return Person(
        email=normalized(request.email),
        full_name=request.full_name.strip(),
        password=request.password.column(),
        role=request.role,
    )


def create(
    work: Work,
    realm: Realm,
    people: Sequence[Person],
    display_host: str | None = None,
    *,
    bare: bool = False,
) -> tuple[CreatedUser, ...]:
    """Write the accounts of `people`, already validated; returns them in that order."""
    users = create_accounts(work.connection, realm.realm_id, people, work.now, display_host)
    crash_point("create-user:after-accounts")
    settle_in(work, realm.realm_id, realm.string_id, users, bare=bare)
    user_ids = tuple(user.user_id for user in users)
    work.changed(Change("user.created", realm.realm_id, realm.string_id, user_ids))
    crash_point("create-user:before-commit")
    return users


def _after_a_race(context: Context, request: UserRequest, realm: Realm, error: ZopsError) -> Result:
    """After a refusal: did somebody else make the account since we looked?"""
    if request.if_not_exists:
        _, existing = _look(context, request)
        if existing is not None:
            return _accept(request, existing)
    if error.code == "integrity":  # the validators say it in better words
        _require_valid(context, request, realm)
    raise error


def _report(request: UserRequest, realm: Realm, user_id: int | None) -> Result:
    email = normalized(request.email)
    role = ROLE_NAMES[request.role]
    data: dict[str, object]
    if user_id is None:
        data = {"user_id": None, "email": email, "created": False, "dry_run": True}
        text = f"would create the {role} {email} in {realm.name!r}; nothing was written"
    else:
        data = {"user_id": user_id, "email": email, "created": True}
        text = f"created the {role} {email} (id {user_id}) in {realm.name!r}"
    return Result(data, text=text)
