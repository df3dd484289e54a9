"""The bots that post in every organization: who they are on this server."""

from __future__ import annotations

import sqlalchemy as sa

from zops_export.selection import (
    PERSONAL,
    SYSTEM_BOT_EMAILS,
    SYSTEM_BOT_REALM,
    SystemBot,
    recipients,
    users,
)


def find_system_bots(connection: sa.Connection, string_id: str) -> tuple[SystemBot, ...]:
    """The system bots that exports of the realm `string_id` name; its own export names none.

    Where another bot has such an address too, the server's own is the one that owns itself.
    """
    if string_id == SYSTEM_BOT_REALM:
        return ()
    query = (
        sa.select(sa.func.lower(users.c.email), users.c.id, recipients.c.id)
        .join(
            recipients,
            sa.and_(recipients.c.type_id == users.c.id, recipients.c.type == PERSONAL),
        )
        .where(sa.func.lower(users.c.email).in_(SYSTEM_BOT_EMAILS), users.c.is_bot)
        .order_by(
            sa.func.coalesce(users.c.bot_owner_id == users.c.id, sa.false()), users.c.id.desc()
        )
    )
    found = {email: SystemBot(email, *ids) for email, *ids in connection.execute(query)}
    return tuple(sorted(found.values(), key=lambda bot: bot.user_id))
