"""The account that a command is about: to look at in a dry run, or to change."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Refused
from zcore.internal_realm import find_internal_realm
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import INTERNAL_REALM, ROLE_NAMES, AuditEvent, Role
from zcore.organizations.lookup import Realm, describe, find_realm
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zops_realm.accounts import no_account, user_condition
from zops_realm.changing import Work, changing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from zcore import Context
    from zcore.database import Database


@dataclass(frozen=True, slots=True)
class User:
    """Columns of `zerver_userprofile`, by their names but for the first."""

    user_id: int
    delivery_email: str
    email: str
    full_name: str
    role: int
    is_active: bool
    is_bot: bool
    is_mirror_dummy: bool
    date_joined: datetime
    api_key: str
    email_address_visibility: int

    @property
    def shown(self) -> str:
        """The account as it stands in a message."""
        return f"{self.delivery_email} (id {self.user_id})"

    @property
    def role_name(self) -> str:
        """The word for its role."""
        return ROLE_NAMES.get(self.role, str(self.role))


@dataclass(frozen=True, slots=True)
class Target:
    """An account of an organization. `work` is None in a dry run, which only reads."""

    realm: Realm
    user: User
    connection: sa.Connection
    work: Work | None

    def require_other_owner(self, intention: str) -> None:
        """Raise `Refused` when nobody else owns the organization; no bot does."""
        user = self.user
        if user.role != Role.OWNER or not user.is_active or user.is_bot:
            return
        users = zerver_userprofile.c
        others = sa.select(users.id).where(
            users.realm_id == self.realm.realm_id,
            users.role == Role.OWNER,
            users.is_active,
            sa.not_(users.is_bot),
            users.id != user.user_id,
        )
        if self.connection.execute(others.limit(1)).first() is None:
            raise Refused(
                f"cannot {intention} {user.shown}: nobody else owns {self.realm.name!r}",
                code="last-owner",
                hint="make somebody else an owner first, with 'zops user change-role'",
            )


@contextmanager
def account_at(
    context: Context, realm: str, user: str, *, dry_run: bool = False
) -> Iterator[Target]:
    """The account `user` (an address, or `id:N`) in one transaction (`changing`).

    Nobody else changes the organization meanwhile. A dry run only reads, and makes no database.
    Raises `Refused` when there is no such account or it is one of the server's own.
    """
    if dry_run:
        with _existing(context, realm).read() as connection:
            yield _find(connection, realm, user, None)
        return
    with changing(context) as work:
        found = _find(work.connection, realm, user, work)
        realms = zerver_realm.c
        lock = sa.select(realms.id).where(realms.id == found.realm.realm_id).with_for_update()
        work.connection.execute(lock)
        yield _find(work.connection, realm, user, work)


def update_user(work: Work, user_id: int, **values: object) -> None:
    """Change columns of an account."""
    users = zerver_userprofile
    work.connection.execute(sa.update(users).where(users.c.id == user_id).values(**values))


def note_in_log(
    work: Work,
    target: Target,
    event_type: AuditEvent,
    extra_data: Mapping[str, object] | None = None,
    *,
    by_user: bool = False,
) -> None:
    """Write an audit entry about the account; `by_user`: as if its own user had done it."""
    entry = AuditEntry(
        event_type=event_type,
        realm_id=target.realm.realm_id,
        event_time=work.now,
        acting_user_id=target.user.user_id if by_user else None,
        modified_user_id=target.user.user_id,
        extra_data=extra_data or {},
    )
    write_audit_entries(work.connection, [entry])


def tell_change(
    work: Work, target: Target, kind: str, details: Mapping[str, object] | None = None
) -> None:
    """Have the plugins told of a change of the account, after the commit."""
    realm = target.realm
    user_ids = (target.user.user_id,)
    work.changed(Change(kind, realm.realm_id, realm.string_id, user_ids, details or {}))


def _existing(context: Context, reference: str) -> Database:
    database = context.existing_database
    if database is None:
        raise Refused(
            f"there is no organization {describe(reference)}",
            code="no-realm",
            hint="there is no database yet: create an organization with 'zops create-realm'",
        )
    return database


def _find(connection: sa.Connection, realm: str, user: str, work: Work | None) -> Target:
    found = find_realm(connection, realm)
    internal = find_internal_realm(connection)
    if found.string_id == INTERNAL_REALM or (internal and internal.realm_id == found.realm_id):
        raise Refused(
            f"the accounts of {found.string_id!r} are the server's own bots, and stay as they are",
            code="system-bot",
            hint="'zops realm list' shows the other organizations",
        )
    users = zerver_userprofile.c
    chosen = sa.select(
        users.id,
        users.delivery_email,
        users.email,
        users.full_name,
        users.role,
        users.is_active,
        users.is_bot,
        users.is_mirror_dummy,
        users.date_joined,
        users.api_key,
        users.email_address_visibility,
    ).where(users.realm_id == found.realm_id, user_condition(user))
    row = connection.execute(chosen).first()
    if row is None:
        raise no_account(user, found)
    return Target(found, User(*row), connection, work)
