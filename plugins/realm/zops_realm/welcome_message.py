"""The Welcome Bot's direct message to somebody new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.bot_messages import BotMessage, Text, find_bot, write_messages
from zcore.organizations.inserts import insert_rows
from zcore.organizations.system_bots import WELCOME_BOT
from zcore.schema.messages import zerver_onboardingusermessage, zerver_usermessage
from zops_realm import welcome_texts as texts
from zops_realm.history import STARRED
from zops_realm.welcomed import WelcomingRealm, is_administrator

if TYPE_CHECKING:
    from zcore import UsersCreated

IS_PRIVATE = 2048


def send_welcome_messages(created: UsersCreated, realm: WelcomingRealm) -> None:
    """Write the message to each of the new users; it waits unread, and starred."""
    connection = created.connection
    bot = find_bot(connection, WELCOME_BOT)
    if bot is None:
        return
    introduced = _has_introduction(connection, created.realm_id)
    messages = [
        BotMessage(user.recipient_id, _greeting(realm, user.role, introduced=introduced))
        for user in created.users
    ]
    message_ids = write_messages(connection, bot, created.realm_id, messages, created.now)
    rows = (
        {"message_id": message_id, "user_profile_id": user_id, "flags": flags}
        for user, message_id in zip(created.users, message_ids, strict=True)
        for user_id, flags in ((user.user_id, IS_PRIVATE | STARRED), (bot.user_id, IS_PRIVATE))
    )
    insert_rows(connection, zerver_usermessage, rows)


def _greeting(realm: WelcomingRealm, role: int, *, introduced: bool) -> Text:
    return texts.paragraphs(*_parts(realm, role, introduced=introduced))


def _parts(realm: WelcomingRealm, role: int, *, introduced: bool) -> Iterator[Text]:
    yield texts.HELLO
    if introduced:
        yield texts.THERE_IS_AN_INTRODUCTION
    yield texts.USING_IT_FOR_A_CLASS if realm.is_for_education else texts.FIRST_STEPS
    if is_administrator(role):
        yield texts.SETTING_UP_A_CLASS if realm.is_for_education else texts.BRINGING_PEOPLE_OVER
    yield texts.SEE_THE_TOUR
    if realm.is_demo:
        yield texts.ONLY_A_DEMO


def _has_introduction(connection: sa.Connection, realm_id: int) -> bool:
    onboarding = zerver_onboardingusermessage.c
    chosen = sa.select(onboarding.id).where(onboarding.realm_id == realm_id).limit(1)
    return connection.execute(chosen).first() is not None
