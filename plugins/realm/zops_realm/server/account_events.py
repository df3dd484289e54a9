"""Events about accounts: those of people, and those of bots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zcore.organizations.codes import EmailVisibility
from zops_realm.server import channel_events, group_events
from zops_realm.server.audience import (
    administrators,
    can_see,
    human_administrators,
    sees_address,
    who_manage,
    who_miss,
    who_see,
)
from zops_realm.server.details import ended_invitations, old_value
from zops_realm.server.event_json import GRAVATAR, avatar, gravatar_url, person, unknown_person
from zops_realm.server.notices import Notice

if TYPE_CHECKING:
    from zcore import Change
    from zops_realm.server.organization import Account, Organization, Viewer


def created(_: Change, now: Organization) -> Iterator[Notice]:
    """New accounts, their groups and their channels."""
    for account in now.accounts:
        yield from _appearance(now, account)
        yield from group_events.joined(now, account)
        yield from _peers_of(now, account)


def reactivated(_: Change, now: Organization) -> Iterator[Notice]:
    """Accounts that are active again, their channels and their groups."""
    for account in now.accounts:
        yield _update(now, account, is_active=True)
        if not account.is_bot:
            yield Notice.to(
                human_administrators(now),
                type="realm_export_consent",
                user_id=account.id,
                consented=account.allow_private_data_export,
            )
        yield from _bot(now, account, is_active=True)
        yield from _peers_of(now, account)
        yield from group_events.came_back(now, account)


def deactivated(change: Change, now: Organization) -> Iterator[Notice]:
    """Accounts that are not active any more."""
    if ended_invitations(change):
        yield Notice.to(administrators(now), type="invites_changed")
    for account in now.accounts:
        yield _update(now, account, is_active=False)
        yield from group_events.went_away(now, account)
        yield from _bot(now, account, is_active=False)


def role_changed(change: Change, now: Organization) -> Iterator[Notice]:
    """Other roles, with the groups and the channels that come and go with them."""
    former = old_value(change, "role")
    for account in now.accounts:
        yield _update(now, account, role=account.role)
        if isinstance(former, int):
            yield from group_events.changed(now, account, former)
            yield from _channel_changes(now, account, former)


def email_changed(_: Change, now: Organization) -> Iterator[Notice]:
    """Other addresses, to those who may know them; with them, Gravatar's picture changes."""
    for account in now.accounts:
        knowing = [one.id for one in who_see(now, account) if sees_address(one, account)]
        changed = {"user_id": account.id, "delivery_email": account.delivery_email}
        yield Notice.to(knowing, type="realm_user", op="update", person=changed)
        if account.avatar_source == GRAVATAR:
            yield from _bot(now, account, avatar_url=gravatar_url(account))
            yield _update(now, account, **avatar(account))
        if account.email_address_visibility == EmailVisibility.EVERYONE:
            yield _update(now, account, new_email=account.email)


def name_changed(_: Change, now: Organization) -> Iterator[Notice]:
    """Other names."""
    for account in now.accounts:
        yield _update(now, account, full_name=account.full_name)
        yield from _bot(now, account, full_name=account.full_name)


def _appearance(now: Organization, account: Account) -> Iterator[Notice]:
    """A new account, to those who may know its address and then to those who may not.

    Whoever may not see the account at all is told that there is somebody.
    """
    audiences: dict[bool, list[Viewer]] = defaultdict(list)
    for viewer in who_see(now, account):
        audiences[sees_address(viewer, account)].append(viewer)
    for knows_address in (True, False):
        viewers = audiences[knows_address]
        if viewers:
            shown = person(account, viewers[0])
            users = [viewer.id for viewer in viewers]
            yield Notice.to(users, type="realm_user", op="add", person=shown)
    if now.host is not None:
        shown = unknown_person(account, now.host)
        users = sorted(who_miss(now, account))
        yield Notice.to(users, type="realm_user", op="add", person=shown, inaccessible_user=True)


def _update(now: Organization, account: Account, **values: object) -> Notice:
    """What is otherwise about an account, to those who see it."""
    users = [viewer.id for viewer in who_see(now, account)]
    changed = {"user_id": account.id} | values
    return Notice.to(users, type="realm_user", op="update", person=changed)


def _bot(now: Organization, account: Account, **values: object) -> Iterator[Notice]:
    """The same in the lists of bots, when it is one."""
    if account.is_bot:
        changed = {"user_id": account.id} | values
        yield Notice.to(who_manage(now, account), type="realm_bot", op="update", bot=changed)


def _peers_of(now: Organization, account: Account) -> Iterator[Notice]:
    """An account as a subscriber of its channels, to the other ones."""
    added = {
        channel.id: (account.id,)
        for channel in now.channels.values()
        if account.id in channel.subscribers
    }
    return channel_events.peers_added(now, added)


def _channel_changes(now: Organization, account: Account, former: int) -> Iterator[Notice]:
    """The channels that the account sees only since, or sees no longer, to itself."""
    before, after = (
        [each for each in now.channels.values() if can_see(now, account.id, role, each)]
        for role in (former, account.role)
    )
    if new := [channel for channel in after if channel not in before]:
        yield channel_events.appeared(now, new, [account.id])
        yield from channel_events.subscribers_shown(now, new, account.id)
    if gone := [channel for channel in before if channel not in after]:
        yield channel_events.disappeared(gone, [account.id])
