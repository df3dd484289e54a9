"""Messages that the server's own bots write into an organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.internal_realm import InternalRealm, find_internal_realm
from zcore.organizations.inserts import insert_returning_id, insert_returning_ids
from zcore.schema.activity import zerver_client
from zcore.schema.messages import zerver_message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

INTERNAL_CLIENT = "Internal"
RENDERED_BY = 1  # version of the server's Markdown


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of Markdown and its HTML, as the server renders it."""

    content: str
    rendered: str

    @property
    def has_link(self) -> bool:
        """Does it lead anywhere?"""
        return "<a " in self.rendered


@dataclass(frozen=True, slots=True)
class BotMessage:
    """A message to a recipient. `topic` None: it is a direct message."""

    recipient_id: int
    text: Text
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot of the server's, and the client that its messages are said to come from."""

    user_id: int
    client_id: int


def find_bot(connection: sa.Connection, address: str) -> Bot | None:
    """The system bot with this address; None in a database that has no such bot."""
    internal: InternalRealm | None = find_internal_realm(connection)
    if internal is None or address not in internal.bot_ids:
        return None
    return Bot(internal.bot_ids[address], _internal_client(connection))


def write_messages(
    connection: sa.Connection,
    bot: Bot,
    realm_id: int,
    messages: Sequence[BotMessage],
    now: datetime,
) -> list[int]:
    """Insert `messages` of the bot; return their ids, in order. Nobody has received them yet."""
    common = {
        "realm_id": realm_id,
        "sender_id": bot.user_id,
        "sending_client_id": bot.client_id,
        "date_sent": now,
        "rendered_content_version": RENDERED_BY,
    }
    rows = list(map(_row, messages))
    return insert_returning_ids(connection, zerver_message, rows, common)


def _row(message: BotMessage) -> dict[str, object]:
    return {
        "recipient_id": message.recipient_id,
        "is_channel_message": message.topic is not None,
        "subject": message.topic or "",
        "content": message.text.content,
        "rendered_content": message.text.rendered,
        "has_link": message.text.has_link,
    }


def _internal_client(connection: sa.Connection) -> int:
    clients = zerver_client.c
    chosen = sa.select(clients.id).where(clients.name == INTERNAL_CLIENT)
    client_id: int | None = connection.scalar(chosen)
    if client_id is None:
        return insert_returning_id(connection, zerver_client, {"name": INTERNAL_CLIENT})
    return client_id
