"""Who may hear of what: the accounts that an event goes to.

Where guests see only the users that they share something with, that is taken to be a channel: who
has written to whom is not looked for, and they learn the rest when they reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.organizations.codes import EmailVisibility, Role

if TYPE_CHECKING:
    from zops_realm.server.organization import Account, Channel, Organization, Viewer

ADMINISTRATORS = frozenset({Role.OWNER, Role.ADMINISTRATOR})
MODERATORS = ADMINISTRATORS | {Role.MODERATOR}
MEMBERS = MODERATORS | {Role.MEMBER}
SEE_ADDRESS: dict[int, frozenset[Role]] = {
    EmailVisibility.EVERYONE: frozenset(Role),
    EmailVisibility.MEMBERS: MEMBERS,
    EmailVisibility.MODERATORS: MODERATORS,
    EmailVisibility.ADMINISTRATORS: ADMINISTRATORS,
    EmailVisibility.NOBODY: frozenset(),
}


def everybody(now: Organization) -> list[int]:
    """All active accounts."""
    return [viewer.id for viewer in now.viewers]


def non_guests(now: Organization) -> set[int]:
    """All active accounts but guests'."""
    return {viewer.id for viewer in now.viewers if not viewer.is_guest}


def administrators(now: Organization) -> set[int]:
    """The active accounts of owners and administrators, bots' too."""
    return {viewer.id for viewer in now.viewers if viewer.is_administrator}


def human_administrators(now: Organization) -> set[int]:
    """The same without bots."""
    return {viewer.id for viewer in now.viewers if viewer.is_administrator and not viewer.is_bot}


def who_see(now: Organization, account: Account) -> list[Viewer]:
    """Those who see that `account` exists."""
    if account.is_bot or not now.hides_users_from_guests:
        return now.viewers
    near = {account.id}.union(
        *(one.subscribers for one in now.channels.values() if account.id in one.subscribers)
    )
    return [viewer for viewer in now.viewers if not viewer.is_guest or viewer.id in near]


def sees_address(viewer: Viewer, account: Account) -> bool:
    """May `viewer` know the own address of `account`?"""
    allowed = SEE_ADDRESS.get(account.email_address_visibility, frozenset())
    return viewer.id == account.id or viewer.role in allowed


def who_miss(now: Organization, account: Account) -> set[int]:
    """Those who do not see that `account` exists, as far as that is known here."""
    return set(everybody(now)) - {viewer.id for viewer in who_see(now, account)}


def who_manage(now: Organization, bot: Account) -> set[int]:
    """Those who have `bot` in their list of bots: its owner, and unless it is one for private
    channels the administrators."""
    owner = set() if bot.bot_owner_id is None else {bot.bot_owner_id}
    channels = {bot.default_sending_stream_id, bot.default_events_register_stream_id}
    if channels & now.private_channels:
        return owner
    return owner | human_administrators(now)


def who_see_subscribers(now: Organization, channel: Channel) -> set[int]:
    """Those who know who is subscribed to `channel`."""
    if channel.is_web_public:
        return set(everybody(now))
    if channel.is_private:
        return administrators(now) | channel.subscribers
    return non_guests(now) | channel.subscribers


def can_see(now: Organization, viewer_id: int, role: int, channel: Channel) -> bool:
    """Would an account with this role know that `channel` exists?"""
    if viewer_id in channel.subscribers or channel.is_web_public or role in ADMINISTRATORS:
        return True
    return role != Role.GUEST and not channel.is_private
