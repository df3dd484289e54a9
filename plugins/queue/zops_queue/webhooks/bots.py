"""A bot with outgoing webhooks, as the database has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_service, zerver_userprofile
from zops_queue.clients import Member
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from zcore.broker import WorkContext

GENERIC, SLACK = 1, 2  # `zerver_service.interface`


@dataclass(frozen=True, slots=True)
class Service:
    """Where a bot is called, and how. `token` shows that it is this server that calls."""

    id: int
    base_url: str
    token: str = field(repr=False)
    interface: int


@dataclass(frozen=True, slots=True)
class Bot:
    """The account, its owner's number, and where it is called.

    `email` is the address that others see, `login` the one that it logs in with.
    """

    user_id: int
    realm_id: int
    string_id: str
    email: str
    login: str
    full_name: str
    recipient_id: int | None
    owner_id: int | None
    api_key: str = field(repr=False)
    services: tuple[Service, ...]

    @property
    def member(self) -> Member:
        """The bot as one of the organization's accounts."""
        return Member(self.user_id, self.realm_id, self.string_id)


def find_bot(work: WorkContext, bot_id: int) -> Bot:
    """The bot with this number. Raises `BadField` when there is none."""
    users, realms, services = zerver_userprofile.c, zerver_realm.c, zerver_service.c
    chosen = sa.select(
        users.id,
        users.realm_id,
        realms.string_id,
        users.email,
        users.delivery_email,
        users.full_name,
        users.recipient_id,
        users.bot_owner_id,
        users.api_key,
    ).where(users.id == bot_id, users.is_bot, realms.id == users.realm_id)
    called = sa.select(services.id, services.base_url, services.token, services.interface)
    called = called.where(services.user_profile_id == bot_id).order_by(services.id)
    with work.database.read() as connection:
        row = connection.execute(chosen).first()
        rows = connection.execute(called).all()
    if row is None:
        raise BadField(f"no bot {bot_id}")
    return Bot(*row, tuple(Service(*each) for each in rows))
