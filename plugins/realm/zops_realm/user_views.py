"""`zops user list` and `zops user show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, Result
from zcore.console import table
from zcore.organizations.codes import ROLE_NAMES
from zcore.organizations.lookup import find_realm
from zcore.schema.users import zerver_userprofile
from zops_realm.accounts import no_account, user_condition
from zops_realm.text import field_lines

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import RowMapping

    from zcore.organizations.codes import Role

COLUMNS = ("ID", "EMAIL", "NAME", "ROLE", "STATE", "JOINED")

SHOWN_COLUMNS = (
    zerver_userprofile.c.id,
    zerver_userprofile.c.delivery_email,
    zerver_userprofile.c.full_name,
    zerver_userprofile.c.role,
    zerver_userprofile.c.is_active,
    zerver_userprofile.c.is_bot,
    zerver_userprofile.c.date_joined,
)


def list_users(
    context: Context, reference: str, *, everyone: bool, roles: Collection[Role] = ()
) -> Result:
    """The people of an organization; with `everyone` also bots and deactivated accounts.

    With `roles`, only those who have one of them.
    """
    users = zerver_userprofile.c
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        chosen = sa.select(*SHOWN_COLUMNS).where(users.realm_id == realm.realm_id)
        if not everyone:
            chosen = chosen.where(users.is_active, sa.not_(users.is_bot))
        if roles:
            chosen = chosen.where(users.role.in_([int(role) for role in roles]))
        rows = connection.execute(chosen.order_by(users.id)).mappings().all()
    found = [_listed(row) for row in rows]
    return Result({"users": found}, text=_as_table(found))


def show_user(context: Context, reference: str, user: str) -> Result:
    """One account, named by its address or as `id:N`."""
    users = zerver_userprofile.c
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        chosen = sa.select(*SHOWN_COLUMNS, users.last_login, users.timezone).where(
            users.realm_id == realm.realm_id, user_condition(user)
        )
        row = connection.execute(chosen).mappings().first()
    if row is None:
        raise no_account(user, realm)
    last_login = row["last_login"]
    data = {
        **_listed(row),
        "last_login": last_login.isoformat() if last_login else None,
        "timezone": row["timezone"],
    }
    return Result(data, text=field_lines(data))


def _listed(row: RowMapping) -> dict[str, object]:
    return {
        "user_id": row["id"],
        "email": row["delivery_email"],
        "full_name": row["full_name"],
        "role": ROLE_NAMES.get(row["role"], str(row["role"])),
        "is_active": row["is_active"],
        "is_bot": row["is_bot"],
        "date_joined": row["date_joined"].isoformat(),
    }


def _as_table(found: list[dict[str, object]]) -> str:
    rows = [
        (
            user["user_id"],
            user["email"],
            user["full_name"],
            "bot" if user["is_bot"] else user["role"],
            "active" if user["is_active"] else "deactivated",
            str(user["date_joined"])[:10],
        )
        for user in found
    ]
    return table(COLUMNS, rows) if rows else "there are no accounts"
