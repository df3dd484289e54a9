"""What plugins are told of while an organization or accounts are made, before the commit.

The values of the hooks `zops_realm_created` and `zops_user_created`. Whoever makes organizations or
accounts fills them; whoever hears of them writes rows of its own through `connection`, which
stand or fall with everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from zcore.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

Publish = Callable[[str, Mapping[str, object]], None]
"""`publish(queue, payload)` sends an event to the server's broker, after the commit."""


@frozen
class CreatedUser:
    """An account just made. `recipient_id` is where direct messages to it go."""

    user_id: int
    email: str
    full_name: str
    role: int
    recipient_id: int


@frozen
class RealmCreated:
    """An organization just made, with its owner's account and its first channels, by name.

    Nobody is subscribed to a channel yet: what is a default channel by then will be the owner's.
    `bare` says that no welcome messages and mails are wanted.
    """

    connection: Connection
    now: datetime
    publish: Publish
    realm_id: int
    string_id: str
    name: str
    owner: CreatedUser
    channel_ids: Mapping[str, int]
    bare: bool = False


@frozen
class UsersCreated:
    """Accounts of one organization just made, with their subscriptions and their history.

    `realm_creation`: the only one is the owner of an organization that is being made. `bare` says
    that no welcome messages and mails are wanted.
    """

    connection: Connection
    now: datetime
    publish: Publish
    realm_id: int
    string_id: str
    users: tuple[CreatedUser, ...]
    realm_creation: bool = False
    bare: bool = False
