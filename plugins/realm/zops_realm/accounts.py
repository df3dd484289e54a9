"""Making people's accounts: what create-realm and create-user share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import CreatedUser, Refused
from zcore.organizations.accounts import NewAccount, insert_accounts
from zcore.organizations.addresses import in_upper_case
from zcore.organizations.audit import AuditEntry, RoleCount, write_audit_entries
from zcore.organizations.codes import AuditEvent, Role
from zcore.organizations.inserts import insert_rows
from zcore.organizations.lookup import Realm, id_condition
from zcore.organizations.system_groups import (
    RoleHolder,
    SystemGroups,
    add_to_role_groups,
    read_system_groups,
)
from zcore.schema.realms import zerver_realm, zerver_realmuserdefault
from zcore.schema.users import zerver_onboardingstep, zerver_userprofile
from zcore.text import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

# Marks an account that somebody else made: its user is asked at the first login who may see the
# address, and to accept the terms.
MADE_BY_OTHERS = "-1"
FIRST_ONBOARDING_STEP = "visibility_policy_banner"
# Not taken from the realm's defaults: the first is the realm's own language, the others start
# at what their columns say.
OWN_DEFAULTS = frozenset({"default_language", "enable_login_emails", "enable_marketing_emails"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is to get an account. `password` is what the column is to hold."""

    email: str
    full_name: str
    password: str
    role: Role


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is there."""

    user_id: int
    email: str
    role: int
    is_active: bool
    is_bot: bool
    is_mirror_dummy: bool


def create_accounts(
    connection: sa.Connection,
    realm_id: int,
    people: Sequence[Person],
    now: datetime,
    display_host: str | None = None,
) -> tuple[CreatedUser, ...]:
    """Write the accounts of humans, with their audit entries and role groups, in that order.

    `display_host`: see `zcore.organizations.accounts.NewAccount`. `settle_in` (in
    `zops_realm.settling`) does the rest.
    """
    settings = {"tos_version": MADE_BY_OTHERS, **settings_of_new_users(connection, realm_id)}
    count = RoleCount.read(connection, realm_id)
    accounts = [_account(realm_id, person, now, display_host, settings) for person in people]
    inserted = insert_accounts(connection, accounts)
    users = tuple(
        CreatedUser(made.user_id, person.email, person.full_name, person.role, made.recipient_id)
        for made, person in zip(inserted, people, strict=True)
    )
    write_audit_entries(connection, (_created_entry(realm_id, user, now, count) for user in users))
    _join_role_groups(connection, realm_id, users, now)
    return users


def insert_onboarding_steps(
    connection: sa.Connection, user_ids: Iterable[int], now: datetime
) -> None:
    """Note the step that new users are not shown, as the server does."""
    step = {"onboarding_step": FIRST_ONBOARDING_STEP, "timestamp": now}
    rows = ({"user_id": user_id} for user_id in user_ids)
    insert_rows(connection, zerver_onboardingstep, rows, step)


def settings_of_new_users(connection: sa.Connection, realm_id: int) -> dict[str, object]:
    """Columns of `zerver_userprofile` that a new user takes from the realm."""
    defaults = zerver_realmuserdefault
    chosen = [
        column
        for column in defaults.c
        if column.name in zerver_userprofile.c
        and column.name not in ("id", "realm_id")
        and column.name not in OWN_DEFAULTS
    ]
    language = sa.select(zerver_realm.c.default_language).where(zerver_realm.c.id == realm_id)
    settings = sa.select(*chosen).where(defaults.c.realm_id == realm_id)
    row = connection.execute(settings).mappings().first()
    if row is None:
        raise _incomplete(realm_id, "default settings for new users (zerver_realmuserdefault)")
    return {**row, "default_language": connection.scalar(language)}


def find_account(connection: sa.Connection, realm_id: int, email: str) -> Account | None:
    """The realm's account with this address, in any case of letters."""
    return next(iter(find_accounts(connection, realm_id, [email])), None)


def find_accounts(connection: sa.Connection, realm_id: int, emails: Iterable[str]) -> list[Account]:
    """The realm's accounts with these addresses, in any case of letters."""
    users = zerver_userprofile.c
    chosen = sa.select(
        users.id,
        users.delivery_email,
        users.role,
        users.is_active,
        users.is_bot,
        users.is_mirror_dummy,
    ).where(
        users.realm_id == realm_id,
        sa.func.upper(users.delivery_email).in_(in_upper_case(connection, emails)),
    )
    return [Account(*row) for row in connection.execute(chosen)]


def user_condition(reference: str) -> sa.ColumnElement[bool]:
    """What is true of the account that `reference` names: an address in any case, or `id:N`.

    Raises `UsageError` when N is no number.
    """
    users = zerver_userprofile.c
    if reference.startswith("id:"):
        return id_condition(users.id, reference, "a user")
    if not is_text(reference):
        return sa.false()
    return sa.func.upper(users.delivery_email) == sa.func.upper(reference)


def no_account(reference: str, realm: Realm) -> Refused:
    """What to raise when no account fulfils `user_condition`."""
    return Refused(
        f"there is no account {reference!r} in {realm.name!r}",
        code="no-user",
        hint="'zops user list --all -r ORGANIZATION' shows the accounts that there are",
    )


def addresses_taken(
    connection: sa.Connection, realm_id: int, addresses: Sequence[str]
) -> dict[str, str]:
    """Who has which of `addresses` in the realm, as their own or shown one: words by lower case."""
    users = zerver_userprofile.c
    taken: dict[str, str] = {}
    for column in (users.delivery_email, users.email):
        wanted = in_upper_case(connection, addresses)
        chosen = sa.select(column, users.full_name, users.id).where(
            users.realm_id == realm_id, sa.func.upper(column).in_(wanted)
        )
        for address, full_name, user_id in connection.execute(chosen):
            taken.setdefault(address.lower(), f"{full_name}, id {user_id}")
    return taken


def system_groups_of(connection: sa.Connection, realm_id: int) -> SystemGroups:
    """Ids of the realm's system groups by name. Raises `Refused` for a realm without them."""
    groups = read_system_groups(connection, realm_id)
    if not groups:
        raise _incomplete(realm_id, "system groups (zerver_namedusergroup)")
    return groups


def _incomplete(realm_id: int, missing: str) -> Refused:
    return Refused(
        f"the organization with the number {realm_id} has no {missing}",
        code="realm-incomplete",
        hint="it was not made by a Zulip 10.0 server or by zops; create or import it again",
    )


def _account(
    realm_id: int,
    person: Person,
    now: datetime,
    display_host: str | None,
    settings: Mapping[str, object],
) -> NewAccount:
    return NewAccount(
        realm_id=realm_id,
        delivery_email=person.email,
        full_name=person.full_name,
        password=person.password,
        role=person.role,
        date_joined=now,
        display_host=display_host,
        settings=settings,
    )


def _join_role_groups(
    connection: sa.Connection, realm_id: int, users: Sequence[CreatedUser], now: datetime
) -> None:
    is_provisional = _has_waiting_period(connection, realm_id)
    holders = [
        RoleHolder(
            user_id=user.user_id,
            role=Role(user.role),
            since=now,
            acting_user_id=user.user_id,
            is_provisional=is_provisional,
        )
        for user in users
    ]
    add_to_role_groups(connection, realm_id, system_groups_of(connection, realm_id), holders)


def _created_entry(realm_id: int, user: CreatedUser, now: datetime, count: RoleCount) -> AuditEntry:
    count.add(user.role)
    return AuditEntry(
        event_type=AuditEvent.USER_CREATED,
        realm_id=realm_id,
        event_time=now,
        acting_user_id=user.user_id,
        modified_user_id=user.user_id,
        extra_data=count.as_audit_data(),
    )


def _has_waiting_period(connection: sa.Connection, realm_id: int) -> bool:
    """Do members of the realm become full members only after some days?"""
    days = sa.select(zerver_realm.c.waiting_period_threshold).where(zerver_realm.c.id == realm_id)
    return (connection.scalar(days) or 0) > 0
