"""What new users find when they come for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import UsersCreated
from zops_realm.accounts import insert_onboarding_steps
from zops_realm.history import give_history
from zops_realm.invitations import withdraw_invitations
from zops_realm.subscriptions import default_channels, subscribe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zcore import CreatedUser
    from zops_realm.changing import Work
    from zops_realm.subscriptions import Channel


def settle_in(
    work: Work,
    realm_id: int,
    string_id: str,
    users: Sequence[CreatedUser],
    more_channels: Mapping[int, Sequence[Channel]] | None = None,
    *,
    realm_creation: bool = False,
    bare: bool = False,
) -> None:
    """Subscribe new accounts to the realm's default channels, and have them welcomed.

    `more_channels` are those that somebody, by user's id, is to be subscribed to beside them.
    Calls the hook `zops_user_created`, and raises what that raises (`Work.call_hook`).
    """
    connection = work.connection
    defaults = default_channels(connection, realm_id)
    for channels, some in _by_channels(defaults, users, more_channels or {}):
        subscribe(connection, realm_id, [user.user_id for user in some], channels, work.now)
        channel_ids = [channel.channel_id for channel in channels]
        give_history(connection, realm_id, some, channel_ids, is_new_realm=realm_creation)
    withdraw_invitations(connection, realm_id, [user.email for user in users])
    created = UsersCreated(
        connection=connection,
        now=work.now,
        publish=work.publish,
        realm_id=realm_id,
        string_id=string_id,
        users=tuple(users),
        realm_creation=realm_creation,
        bare=bare,
    )
    work.call_hook("zops_user_created", created)
    insert_onboarding_steps(connection, [user.user_id for user in users], work.now)


def _by_channels(
    defaults: Sequence[Channel],
    users: Sequence[CreatedUser],
    more: Mapping[int, Sequence[Channel]],
) -> Iterable[tuple[Sequence[Channel], list[CreatedUser]]]:
    """The users by what they are to be subscribed to."""
    together: dict[tuple[Channel, ...], list[CreatedUser]] = {}
    for user in users:
        channels = {*defaults, *more.get(user.user_id, ())}
        in_order = sorted(channels, key=lambda channel: channel.recipient_id)
        together.setdefault(tuple(in_order), []).append(user)
    return together.items()
