"""`zops realm list` and `zops realm show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, Result
from zcore.console import table
from zcore.organizations.codes import ROLE_NAMES, Role
from zcore.organizations.hosts import realm_url
from zcore.organizations.lookup import find_realm
from zcore.schema.channels import zerver_stream
from zcore.schema.messages import zerver_message
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zops_realm.auth_methods import enabled_methods
from zops_realm.text import field_lines

if TYPE_CHECKING:
    from sqlalchemy.engine import RowMapping

COLUMNS = ("ID", "SUBDOMAIN", "NAME", "USERS", "STATE", "URL")


def list_realms(context: Context) -> Result:
    """All organizations of the server, the oldest first."""
    realms = zerver_realm.c
    chosen = sa.select(
        realms.id,
        realms.string_id,
        realms.name,
        realms.deactivated,
        realms.date_created,
        _active_humans().label("users"),
    ).order_by(realms.id)
    with context.database.read() as connection:
        rows = connection.execute(chosen).mappings().all()
    found = [_listed(row, context.settings.external_host) for row in rows]
    return Result({"realms": found}, text=_as_table(found))


def show_realm(context: Context, reference: str) -> Result:
    """One organization: what it is, who owns it, how much is in it."""
    with context.database.read() as connection:
        realm_id = find_realm(connection, reference).realm_id
        realms = zerver_realm
        row = connection.execute(sa.select(realms).where(realms.c.id == realm_id)).mappings().one()
        counts = _counts(connection, realm_id)
        owners = _owners(connection, realm_id)
        methods = enabled_methods(connection, realm_id)
    deletion = row["scheduled_deletion_date"]
    data = {
        **_identity(row, context.settings.external_host),
        "description": row["description"],
        "default_language": row["default_language"],
        "org_type": row["org_type"],
        "plan_type": row["plan_type"],
        "invite_required": row["invite_required"],
        "message_retention_days": row["message_retention_days"],
        "deactivated_redirect": row["deactivated_redirect"],
        "scheduled_deletion_date": deletion.isoformat() if deletion else None,
        "auth_methods": methods,
        "owners": owners,
        **counts,
    }
    return Result(data, text=field_lines(data))


def _identity(row: RowMapping, external_host: str | None) -> dict[str, object]:
    return {
        "realm_id": row["id"],
        "string_id": row["string_id"],
        "name": row["name"],
        "url": realm_url(row["string_id"], external_host),
        "deactivated": row["deactivated"],
        "date_created": row["date_created"].isoformat(),
    }


def _listed(row: RowMapping, external_host: str | None) -> dict[str, object]:
    return {**_identity(row, external_host), "users": row["users"]}


def _as_table(found: list[dict[str, object]]) -> str:
    rows = [
        (
            realm["realm_id"],
            realm["string_id"],
            realm["name"],
            realm["users"],
            "deactivated" if realm["deactivated"] else "active",
            realm["url"] or "",
        )
        for realm in found
    ]
    return table(COLUMNS, rows) if rows else "there are no organizations"


def _active_humans() -> sa.ScalarSelect[int]:
    """For each realm of the query around it: how many people have an active account."""
    users = zerver_userprofile.c
    return (
        sa.select(sa.func.count())
        .select_from(zerver_userprofile)
        .where(users.realm_id == zerver_realm.c.id, users.is_active, sa.not_(users.is_bot))
        .scalar_subquery()
    )


def _counts(connection: sa.Connection, realm_id: int) -> dict[str, object]:
    def count(rows: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        counted = sa.select(sa.func.count()).select_from(rows)
        return connection.scalar(counted.where(rows.c.realm_id == realm_id, *conditions)) or 0

    users = zerver_userprofile.c
    people = (users.is_active, sa.not_(users.is_bot))
    return {
        "users": {
            name: count(zerver_userprofile, *people, users.role == role)
            for role, name in ROLE_NAMES.items()
        },
        "deactivated_users": count(
            zerver_userprofile, sa.not_(users.is_active), sa.not_(users.is_bot)
        ),
        "bots": count(zerver_userprofile, users.is_active, users.is_bot),
        "channels": count(zerver_stream, sa.not_(zerver_stream.c.deactivated)),
        "messages": count(zerver_message),
    }


def _owners(connection: sa.Connection, realm_id: int) -> list[str]:
    users = zerver_userprofile.c
    chosen = (
        sa.select(users.delivery_email)
        .where(
            users.realm_id == realm_id,
            users.role == Role.OWNER,
            users.is_active,
            sa.not_(users.is_bot),
        )
        .order_by(users.id)
    )
    return list(connection.scalars(chosen))
