"""The internal realm of a server: home of the bots that write the server's own messages.

A server makes it when its database holds no realm at all, before anything else. Whatever writes
the first realm into an empty database has to do the same, or the server cannot work with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.errors import Refused
from zcore.frozen import frozen
from zcore.identifiers import unusable_password
from zcore.organizations.accounts import NewAccount, insert_accounts
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import (
    AUDIT_NEW_VALUE,
    AUDIT_OLD_VALUE,
    INTERNAL_REALM,
    AuditEvent,
    BotType,
    Role,
)
from zcore.organizations.realms import InsertedRealm, NewRealm, insert_realm
from zcore.organizations.system_bots import EMAIL_GATEWAY_BOT, SYSTEM_BOTS, WELCOME_BOT
from zcore.organizations.system_groups import RoleHolder, add_to_role_groups
from zcore.schema.activity import zerver_client
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zcore.organizations.lookup import Realm

INTERNAL_REALM_NAME = "System bot realm"
CLIENTS = ("Internal", "website", "ZulipMobile", "ZulipElectron")


@frozen
class InternalRealm:
    """The internal realm, its bots' ids by address, and whether this call made it."""

    realm_id: int
    bot_ids: Mapping[str, int]
    created: bool


def ensure_internal_realm(connection: sa.Connection, realm_id: int | None = None) -> InternalRealm:
    """The internal realm; made, with bots and clients, when there is no realm at all.

    `realm_id` is a number that was reserved for it, if one was.
    Raises `Refused` when there are realms but none is the internal one.
    """
    if _is_empty(connection):
        _wait_for_others(connection)
        if _is_empty(connection):
            return _create_internal_realm(connection, realm_id)
    found = find_internal_realm(connection)
    if found is None:
        raise Refused(
            "the database has organizations, but not the internal one with the system bots",
            code="no-internal-realm",
            hint="is it a Zulip server's database? start the server once, which makes it",
        )
    return found


def refuse_internal_realm(connection: sa.Connection, realm: Realm) -> None:
    """Raise `Refused` for the organization of the server's own bots, which nobody may change."""
    internal = find_internal_realm(connection)
    if realm.string_id == INTERNAL_REALM or (internal and internal.realm_id == realm.realm_id):
        raise Refused(
            f"{realm.string_id!r} is for the server's own bots, and stays as it is",
            code="internal-realm",
            hint="'zops realm list' shows the other organizations",
        )


def find_internal_realm(connection: sa.Connection) -> InternalRealm | None:
    """The realm that the system bots live in; None when there is none.

    It is known by its bots: a server's settings may give it another subdomain.
    """
    users = zerver_userprofile.c
    bots = sa.select(users.realm_id, users.delivery_email, users.id).where(
        users.is_bot, users.delivery_email.in_(SYSTEM_BOTS), users.bot_owner_id == users.id
    )
    rows = connection.execute(bots).all()
    homes = [realm_id for realm_id, email, _ in rows if email == WELCOME_BOT]
    if not homes:
        return None
    bot_ids = {email: user_id for realm_id, email, user_id in rows if realm_id == homes[0]}
    return InternalRealm(homes[0], bot_ids, created=False)


def _is_empty(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(zerver_realm.c.id).limit(1)).first() is None


def _wait_for_others(connection: sa.Connection) -> None:
    """Let only one process at a time make the internal realm (SQLite has one writer anyway)."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("LOCK TABLE zerver_realm IN SHARE ROW EXCLUSIVE MODE"))


def _create_internal_realm(connection: sa.Connection, realm_id: int | None) -> InternalRealm:
    now = datetime.now(UTC)
    new = NewRealm(
        name=INTERNAL_REALM_NAME, string_id=INTERNAL_REALM, date_created=now, realm_id=realm_id
    )
    realm = insert_realm(connection, new)
    _ensure_clients(connection)
    bot_ids = _create_bots(connection, realm, now)
    _let_forge_senders(connection, realm, bot_ids[EMAIL_GATEWAY_BOT], now)
    return InternalRealm(realm.realm_id, bot_ids, created=True)


def _ensure_clients(connection: sa.Connection) -> None:
    known = set(connection.scalars(sa.select(zerver_client.c.name)))
    missing = [{"name": name} for name in CLIENTS if name not in known]
    if missing:
        connection.execute(sa.insert(zerver_client), missing)


def _create_bots(connection: sa.Connection, realm: InsertedRealm, now: datetime) -> dict[str, int]:
    accounts = [
        _bot_account(realm.realm_id, email, full_name, now)
        for email, full_name in SYSTEM_BOTS.items()
    ]
    user_ids = [made.user_id for made in insert_accounts(connection, accounts)]
    _make_own_owners(connection, user_ids)
    write_audit_entries(connection, (_created_entry(realm, user, now) for user in user_ids))
    holders = [RoleHolder(user_id=user, role=Role.MEMBER, since=now) for user in user_ids]
    add_to_role_groups(connection, realm.realm_id, realm.groups, holders)
    return dict(zip(SYSTEM_BOTS, user_ids, strict=True))


def _bot_account(realm_id: int, email: str, full_name: str, now: datetime) -> NewAccount:
    return NewAccount(
        realm_id=realm_id,
        delivery_email=email,
        full_name=full_name,
        password=unusable_password(),
        role=Role.MEMBER,
        date_joined=now,
        settings={
            "is_bot": True,
            "bot_type": int(BotType.GENERIC),
            "avatar_source": "U",
            "tos_version": None,
        },
    )


def _make_own_owners(connection: sa.Connection, user_ids: Sequence[int]) -> None:
    users = zerver_userprofile
    update = sa.update(users).where(users.c.id.in_(user_ids))
    connection.execute(update.values(bot_owner_id=users.c.id))


def _created_entry(realm: InsertedRealm, user_id: int, now: datetime) -> AuditEntry:
    return AuditEntry(
        event_type=AuditEvent.USER_CREATED,
        realm_id=realm.realm_id,
        event_time=now,
        modified_user_id=user_id,
    )


def _let_forge_senders(
    connection: sa.Connection, realm: InsertedRealm, user_id: int, now: datetime
) -> None:
    """The mail gateway writes messages in the name of whoever sent the mail."""
    users = zerver_userprofile
    connection.execute(sa.update(users).where(users.c.id == user_id).values(can_forge_sender=True))
    entry = AuditEntry(
        event_type=AuditEvent.USER_SPECIAL_PERMISSION_CHANGED,
        realm_id=realm.realm_id,
        event_time=now,
        modified_user_id=user_id,
        extra_data={
            AUDIT_OLD_VALUE: False,
            AUDIT_NEW_VALUE: True,
            "property": "can_forge_sender",
        },
    )
    write_audit_entries(connection, [entry])
