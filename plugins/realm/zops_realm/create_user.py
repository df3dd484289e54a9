"""`zops create-user`: an account in an organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore import Change, Context, Result, ZopsError
from zcore.crash_points import crash_point
from zcore.organizations.codes import ROLE_NAMES, Role
from zcore.validation import Subjects, require_valid
from zops_realm.accounts import Account, Person, find_account
from zops_realm.auth_methods import (
    enabled_methods,
    is_password_used,
    known_backends,
    note_linking,
)
from zops_realm.changing import Work, changing
from zops_realm.new_accounts import display_host_of, unusable, write_accounts
from zops_realm.realm_target import find_open_realm
from zops_realm.rules.emails import normalized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import CreatedUser
    from zcore.organizations.lookup import Realm
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


def asks_for_password(context: Context, reference: str) -> bool:
    """Does the organization that `reference` names ask people for the password that they have here?

    Raises what `run` raises for one in which no accounts can be made.
    """
    realm = find_open_realm(context, reference)
    with context.database.read() as connection:
        enabled = enabled_methods(connection, realm.realm_id)
    return is_password_used(enabled, known_backends(context.plugins))


def _make(context: Context, request: UserRequest, realm: Realm) -> Result:
    _require_valid(context, request, realm)
    display_host = display_host_of(context, realm)
    if request.dry_run:
        return _report(request, realm, None)
    person = _person(request)
    with changing(context) as work:
        (user,) = create(work, realm, [person], display_host, bare=request.bare)
    if request.password.text is None:
        note_linking(context, realm.realm_id)
    return _report(request, realm, user.user_id)


def _look(context: Context, request: UserRequest) -> tuple[Realm, Account | None]:
    """The realm, and the account with this address if there is one that decides the matter."""
    realm = find_open_realm(context, request.realm)
    with context.database.read() as connection:
        existing = find_account(connection, realm.realm_id, normalized(request.email))
    if existing is not None:
        refusal = unusable(realm, existing)
        if refusal is not None:
            raise refusal
    return realm, existing if request.if_not_exists else None


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
    users = write_accounts(work, realm, people, display_host, bare=bare)
    user_ids = tuple(user.user_id for user in users)
    details = {"bare": bare}
    work.changed(Change("user.created", realm.realm_id, realm.string_id, user_ids, details))
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
