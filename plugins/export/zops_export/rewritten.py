"""What an export of ours changes in rows: the targets of the plugin's `Rewrite` values."""

from __future__ import annotations

import sqlalchemy as sa

from zops_export.selection import users


def own_actor(table: sa.Table) -> sa.ColumnElement[int | None]:
    """Who did what the audit log says; nobody when it was a user of another realm."""
    theirs = sa.select(users.c.id).where(users.c.realm_id == table.c.realm_id).correlate(table)
    actor = table.c.acting_user_id
    return sa.case((actor.in_(theirs), actor), else_=sa.null())
