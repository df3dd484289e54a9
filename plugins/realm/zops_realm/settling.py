"""What new users find when they come for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import UsersCreated
from zops_realm.accounts import insert_onboarding_steps
from zops_realm.history import give_history
from zops_realm.invitations import withdraw_invitations
from zops_realm.subscriptions import default_channels, subscribe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import CreatedUser
    from zops_realm.changing import Work


def settle_in(
    work: Work,
    realm_id: int,
    string_id: str,
    users: Sequence[CreatedUser],
    *,
    realm_creation: bool = False,
    bare: bool = False,
) -> None:
    """Subscribe new accounts to the realm's default channels, and have them welcomed.

    Calls the hook `zops_user_created`, and raises what that raises (`Work.call_hook`).
    """
    connection = work.connection
    channels = default_channels(connection, realm_id)
    subscribe(connection, realm_id, [user.user_id for user in users], channels, work.now)
    channel_ids = [channel.channel_id for channel in channels]
    give_history(connection, realm_id, users, channel_ids, is_new_realm=realm_creation)
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
