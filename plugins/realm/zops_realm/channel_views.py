"""`zops channel list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, Result
from zcore.console import table
from zcore.organizations.lookup import find_realm
from zcore.schema.channels import zerver_defaultstream, zerver_stream, zerver_subscription

if TYPE_CHECKING:
    from sqlalchemy.engine import RowMapping

COLUMNS = ("ID", "NAME", "KIND", "SUBSCRIBERS", "STATE", "DESCRIPTION")


def list_channels(context: Context, reference: str, *, everything: bool) -> Result:
    """The channels of an organization by name; with `everything` also archived ones."""
    streams = zerver_stream.c
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        chosen = sa.select(
            streams.id,
            streams.name,
            streams.description,
            streams.invite_only,
            streams.is_web_public,
            streams.deactivated,
            _subscribers().label("subscribers"),
            _is_default().label("is_default"),
        ).where(streams.realm_id == realm.realm_id)
        if not everything:
            chosen = chosen.where(sa.not_(streams.deactivated))
        ordered = chosen.order_by(sa.func.lower(streams.name))
        rows = connection.execute(ordered).mappings().all()
    found = [_listed(row) for row in rows]
    return Result({"channels": found}, text=_as_table(found))


def _subscribers() -> sa.ScalarSelect[int]:
    """For each channel of the query around it: how many active accounts are subscribed."""
    subscriptions = zerver_subscription.c
    return (
        sa.select(sa.func.count())
        .select_from(zerver_subscription)
        .where(
            subscriptions.recipient_id == zerver_stream.c.recipient_id,
            subscriptions.active,
            subscriptions.is_user_active,
        )
        .scalar_subquery()
    )


def _is_default() -> sa.Exists:
    return sa.exists().where(zerver_defaultstream.c.stream_id == zerver_stream.c.id)


def _listed(row: RowMapping) -> dict[str, object]:
    return {
        "channel_id": row["id"],
        "name": row["name"],
        "description": row["description"],
        "kind": _kind(row),
        "is_default": bool(row["is_default"]),
        "is_archived": row["deactivated"],
        "subscribers": row["subscribers"],
    }


def _kind(row: RowMapping) -> str:
    if row["is_web_public"]:
        return "web-public"
    return "private" if row["invite_only"] else "public"


def _as_table(found: list[dict[str, object]]) -> str:
    rows = [
        (
            channel["channel_id"],
            channel["name"],
            channel["kind"],
            channel["subscribers"],
            "archived" if channel["is_archived"] else "default" if channel["is_default"] else "",
            channel["description"],
        )
        for channel in found
    ]
    return table(COLUMNS, rows) if rows else "there are no channels"
