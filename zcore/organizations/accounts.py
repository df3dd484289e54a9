"""New accounts: the user's row, their personal recipient and their subscription to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.identifiers import dummy_email, random_api_key, random_uuid
from zcore.organizations.codes import RecipientType, Role
from zcore.organizations.inserts import insert_returning_ids, insert_rows, reserve_ids
from zcore.schema.channels import zerver_recipient, zerver_subscription
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

PERSONAL_SUBSCRIPTION = {
    "active": True,
    "is_user_active": True,
    "is_muted": False,
    "color": "#c2c2c2",
    "pin_to_top": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made.

    `password` is what the column holds (a hash, or an unusable one). `display_host`: when the
    address is not for everyone to see, the host of the address shown instead. `settings` are
    columns of `zerver_userprofile` that differ from their defaults.
    """

    realm_id: int
    delivery_email: str
    full_name: str
    password: str
    role: Role
    date_joined: datetime
    display_host: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InsertedAccount:
    """The ids of an account just made, and of the recipient of direct messages to it."""

    user_id: int
    recipient_id: int


def insert_accounts(
    connection: sa.Connection, accounts: Sequence[NewAccount]
) -> list[InsertedAccount]:
    """Write `accounts` (all with the same `settings`); return their ids, in order.

    The caller adds group memberships, channel subscriptions and audit entries.
    """
    if not accounts:
        return []
    settings = accounts[0].settings
    if any(account.settings != settings for account in accounts):
        raise ValueError("accounts with different settings")
    user_ids = reserve_ids(connection, zerver_userprofile, len(accounts))
    recipient_ids = _insert_recipients(connection, user_ids)
    inserted = [InsertedAccount(*ids) for ids in zip(user_ids, recipient_ids, strict=True)]
    rows = (_account_row(*pair) for pair in zip(accounts, inserted, strict=True))
    insert_rows(connection, zerver_userprofile, rows, settings)
    _subscribe_to_recipients(connection, inserted)
    return inserted


def insert_personal_recipients(connection: sa.Connection, user_ids: Sequence[int]) -> list[int]:
    """Give active users the recipient that direct messages to them go to; return its ids."""
    recipient_ids = _insert_recipients(connection, user_ids)
    owners = [InsertedAccount(*ids) for ids in zip(user_ids, recipient_ids, strict=True)]
    _point_at_recipients(connection, owners)
    _subscribe_to_recipients(connection, owners)
    return recipient_ids


def _insert_recipients(connection: sa.Connection, user_ids: Sequence[int]) -> list[int]:
    rows = [{"type": int(RecipientType.PERSONAL), "type_id": user_id} for user_id in user_ids]
    return insert_returning_ids(connection, zerver_recipient, rows)


def _subscribe_to_recipients(connection: sa.Connection, owners: Sequence[InsertedAccount]) -> None:
    rows = (
        {"user_profile_id": owner.user_id, "recipient_id": owner.recipient_id} for owner in owners
    )
    insert_rows(connection, zerver_subscription, rows, PERSONAL_SUBSCRIPTION)


def _account_row(account: NewAccount, ids: InsertedAccount) -> dict[str, object]:
    host = account.display_host
    return {
        "id": ids.user_id,
        "recipient_id": ids.recipient_id,
        "realm_id": account.realm_id,
        "delivery_email": account.delivery_email,
        "email": account.delivery_email if host is None else dummy_email(ids.user_id, host),
        "full_name": account.full_name,
        "password": account.password,
        "role": int(account.role),
        "date_joined": account.date_joined,
        "last_login": account.date_joined,
        "api_key": random_api_key(),
        "uuid": random_uuid(),
    }


def _point_at_recipients(connection: sa.Connection, owners: Sequence[InsertedAccount]) -> None:
    users = zerver_userprofile
    update = sa.update(users).where(users.c.id == sa.bindparam("user_id"))
    connection.execute(
        update.values(recipient_id=sa.bindparam("personal_recipient")),
        [{"user_id": owner.user_id, "personal_recipient": owner.recipient_id} for owner in owners],
    )
