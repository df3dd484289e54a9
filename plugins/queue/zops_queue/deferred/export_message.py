"""The Notification Bot's direct message that an export is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.bot_messages import Bot, BotMessage, Text, find_bot, write_messages
from zcore.organizations.inserts import insert_rows
from zcore.organizations.system_bots import NOTIFICATION_BOT
from zcore.schema.messages import zerver_message, zerver_usermessage
from zcore.schema.realms import zerver_realmexport
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from datetime import datetime

    from zcore.broker import WorkContext

IS_PRIVATE = 2048
PLACE = "/#organization/data-exports-admin"
THERE_IT_IS = Text(
    f"The data export that you asked for is ready: [see and download it]({PLACE}).",
    "<p>The data export that you asked for is ready:"
    f' <a href="{PLACE}">see and download it</a>.</p>',
)


def say_that_it_is_there(work: WorkContext, user_id: int, export_id: int) -> None:
    """Write the message to the user, unless it has been written since the export is there."""
    users, exports = zerver_userprofile.c, zerver_realmexport.c
    chosen = sa.select(users.id, users.recipient_id, exports.realm_id, exports.date_succeeded)
    # locked, so that two who look for the message do so one after the other
    chosen = chosen.where(
        users.id == user_id, exports.id == export_id, exports.realm_id == users.realm_id
    ).with_for_update()
    with work.database.begin() as connection:
        bot = find_bot(connection, NOTIFICATION_BOT)
        row = connection.execute(chosen).first()
        if bot is None or row is None:
            return
        if _is_said(connection, bot, row.recipient_id, row.date_succeeded):
            return
        message = BotMessage(row.recipient_id, THERE_IT_IS)
        (message_id,) = write_messages(connection, bot, row.realm_id, [message], work.clock())
        rows = [
            {"message_id": message_id, "user_profile_id": each, "flags": IS_PRIVATE}
            for each in (user_id, bot.user_id)
        ]
        insert_rows(connection, zerver_usermessage, rows)


def _is_said(connection: sa.Connection, bot: Bot, recipient_id: int, since: datetime) -> bool:
    messages = zerver_message.c
    said = sa.select(messages.id).where(
        messages.sender_id == bot.user_id,
        messages.recipient_id == recipient_id,
        messages.content == THERE_IT_IS.content,
        messages.date_sent >= since,
    )
    return connection.execute(said.limit(1)).first() is not None
