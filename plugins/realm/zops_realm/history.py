"""What a new user finds in the channels that they begin with: rows of `zerver_usermessage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.codes import Role
from zcore.schema.channels import zerver_stream
from zcore.schema.messages import zerver_message, zerver_onboardingusermessage, zerver_usermessage
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zcore import CreatedUser

MOST_MESSAGES = 1000
NEWEST_LEFT_UNREAD = 20

READ = 1
STARRED = 2
HISTORICAL = 1024
# The flags of `zerver_onboardingusermessage` count differently.
ONBOARDING_STARRED = 4


def give_history(
    connection: sa.Connection,
    realm_id: int,
    users: Sequence[CreatedUser],
    channel_ids: Sequence[int],
    *,
    is_new_realm: bool = False,
) -> None:
    """Give new users the newest messages of channels whose history they may read.

    Messages that were chosen as an introduction to the realm are all given, unread. Without
    such, the newest few are unread; everything else counts as read. For the owner of a new realm
    they are no history: nobody was there before.
    """
    introduction = _introduction(connection, realm_id)
    age = 0 if is_new_realm else HISTORICAL
    for is_guest in (False, True):
        user_ids = [user.user_id for user in users if (user.role == Role.GUEST) == is_guest]
        if user_ids:
            readable = _readable(connection, channel_ids, is_guest=is_guest)
            newest = _newest_messages(connection, realm_id, readable)
            _give(connection, user_ids, _flags(newest, introduction, age))


def _give(connection: sa.Connection, user_ids: Sequence[int], flags: Mapping[int, int]) -> None:
    """Every user gets every message: the database multiplies, for these are very many rows."""
    if not flags:
        return
    users = zerver_userprofile.c
    messages = sa.values(
        sa.column("id", sa.BigInteger), sa.column("flags", sa.BigInteger), name="given"
    )
    given = messages.data(sorted(flags.items())).cte()
    rows = zerver_usermessage.c
    connection.execute(
        sa.insert(zerver_usermessage).from_select(
            [rows.user_profile_id, rows.message_id, rows.flags],
            sa.select(users.id, given.c.id, given.c.flags)
            .join_from(zerver_userprofile, given, sa.true())
            .where(users.id.in_(user_ids))
            .order_by(users.id, given.c.id),
        )
    )


def _flags(newest: Sequence[int], introduction: Mapping[int, int], age: int) -> dict[int, int]:
    """Flags by message id; `newest` has the newest message first."""
    if introduction:
        flags = dict.fromkeys(newest, age | READ)
    else:
        flags = {
            message_id: age | (0 if place < NEWEST_LEFT_UNREAD else READ)
            for place, message_id in enumerate(newest)
        }
    for message_id, onboarding_flags in introduction.items():
        starred = STARRED if onboarding_flags & ONBOARDING_STARRED else 0
        flags[message_id] = age | starred
    return flags


def _introduction(connection: sa.Connection, realm_id: int) -> dict[int, int]:
    """The realm's introduction: onboarding flags by message id."""
    chosen = zerver_onboardingusermessage.c
    messages = sa.select(chosen.message_id, chosen.flags).where(chosen.realm_id == realm_id)
    return dict(connection.execute(messages).all())


def _readable(
    connection: sa.Connection, channel_ids: Sequence[int], *, is_guest: bool
) -> Sequence[int]:
    """Recipients of those channels whose messages from before somebody new may read."""
    streams = zerver_stream.c
    readable = sa.or_(streams.is_web_public, streams.history_public_to_subscribers)
    if not is_guest:
        is_public = sa.and_(sa.not_(streams.invite_only), sa.not_(streams.is_in_zephyr_realm))
        readable = sa.or_(readable, is_public)
    chosen = sa.select(streams.recipient_id).where(streams.id.in_(channel_ids), readable)
    return connection.scalars(chosen).all()


def _newest_messages(
    connection: sa.Connection, realm_id: int, recipient_ids: Sequence[int]
) -> Sequence[int]:
    messages = zerver_message.c
    chosen = (
        sa.select(messages.id)
        .where(messages.realm_id == realm_id, messages.recipient_id.in_(recipient_ids))
        .order_by(messages.id.desc())
        .limit(MOST_MESSAGES)
    )
    return connection.scalars(chosen).all()
