"""The conversations that a new organization starts with, written by the Welcome Bot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.bot_messages import Bot, BotMessage, Text, find_bot, write_messages
from zcore.organizations.system_bots import WELCOME_BOT
from zcore.schema.channels import zerver_stream
from zcore.schema.messages import zerver_onboardingusermessage, zerver_reaction
from zops_realm.initial_channels import HELP_CHANNEL
from zops_realm.welcome_texts import CHANNEL_ID, GREETINGS, INTRODUCTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zcore import RealmCreated

# Bits of `zerver_onboardingusermessage.flags`, which are not those of `zerver_usermessage`.
HISTORICAL = 2
STARRED = 4


def write_introduction(created: RealmCreated) -> None:
    """Write the messages of `INTRODUCTION`, and note that whoever joins is shown them.

    Nobody receives them here: `zops_realm.history` gives them to new users.
    """
    connection = created.connection
    bot = find_bot(connection, WELCOME_BOT)
    if bot is None:
        return
    recipients = _recipients(connection, created.channel_ids)
    linked = str(created.channel_ids[HELP_CHANNEL])
    messages = [
        BotMessage(recipients[message.channel], _linked(message.text, linked), message.topic)
        for message in INTRODUCTION
    ]
    message_ids = write_messages(connection, bot, created.realm_id, messages, created.now)
    _mark_as_introduction(connection, created.realm_id, message_ids)
    _wave(connection, bot, message_ids)
    _point_at_first_messages(connection, created.channel_ids, message_ids)


def _recipients(connection: sa.Connection, channel_ids: Mapping[str, int]) -> dict[str, int]:
    streams = zerver_stream.c
    chosen = sa.select(streams.name, streams.recipient_id).where(
        streams.id.in_(channel_ids.values())
    )
    return dict(connection.execute(chosen).all())


def _linked(text: Text, channel_id: str) -> Text:
    return replace(text, rendered=text.rendered.replace(CHANNEL_ID, channel_id))


def _first_of_topics() -> list[bool]:
    """For each message: does its topic begin with it?"""
    topics = [message.topic for message in INTRODUCTION]
    return [topic not in topics[:place] for place, topic in enumerate(topics)]


def _mark_as_introduction(
    connection: sa.Connection, realm_id: int, message_ids: Sequence[int]
) -> None:
    rows = [
        {
            "realm_id": realm_id,
            "message_id": message_id,
            "flags": HISTORICAL | (STARRED if is_first else 0),
        }
        for message_id, is_first in zip(message_ids, _first_of_topics(), strict=True)
    ]
    connection.execute(sa.insert(zerver_onboardingusermessage), rows)


def _wave(connection: sa.Connection, bot: Bot, message_ids: Sequence[int]) -> None:
    """The bot's reaction to the first greeting shows what reactions are."""
    place = [message.topic for message in INTRODUCTION].index(GREETINGS)
    row = {
        "user_profile_id": bot.user_id,
        "message_id": message_ids[place],
        "emoji_name": "wave",
        "emoji_code": "1f44b",
        "reaction_type": "unicode_emoji",
    }
    connection.execute(sa.insert(zerver_reaction), row)


def _point_at_first_messages(
    connection: sa.Connection, channel_ids: Mapping[str, int], message_ids: Sequence[int]
) -> None:
    first: dict[str, int] = {}
    for message, message_id in zip(INTRODUCTION, message_ids, strict=True):
        first.setdefault(message.channel, message_id)
    update = sa.update(zerver_stream).where(zerver_stream.c.id == sa.bindparam("channel"))
    connection.execute(
        update.values(first_message_id=sa.bindparam("first")),
        [{"channel": channel_ids[name], "first": first[name]} for name in first],
    )
