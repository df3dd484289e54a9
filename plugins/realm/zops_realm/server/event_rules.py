"""Which events a change gives: a table, an entry a kind of change.

Each rule gives notices in the order in which the server itself would send them. Notices to nobody
are left out, and so are those about messages and about a new organization: whoever these go to has
no client yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from zcore.organizations.codes import EmailVisibility, Role
from zcore.organizations.system_groups import FULL_MEMBERS, GROUPS_OF_ROLE
from zops_realm.server import channel_events
from zops_realm.server.audience import can_see, everybody, sees_address, who_see
from zops_realm.server.details import new_value, old_value, stream_ids
from zops_realm.server.event_json import GRAVATAR, avatar, person
from zops_realm.server.notices import Notice

if TYPE_CHECKING:
    from zcore import Change
    from zops_realm.server.organization import Account, Channel, Organization, Viewer

Rule = Callable[["Change", "Organization"], Iterator[Notice]]


def notices_of(change: Change, now: Organization) -> Iterator[Notice]:
    """What clients are to hear of `change`, in order; nothing for a kind without an entry."""
    for rule in EVENT_RULES.get(change.kind, ()):
        yield from (notice for notice in rule(change, now) if notice.users)


def _new_accounts(_: Change, now: Organization) -> Iterator[Notice]:
    """New accounts, their groups and their channels."""
    for account in now.accounts:
        yield from _appearance(now, account)
        for group_id in _groups_in_order(now, account.id):
            yield _membership(now, "add_members", group_id, account.id)
        yield from _peers_of(now, account)


def _back_again(_: Change, now: Organization) -> Iterator[Notice]:
    """Accounts that are active again, and their channels."""
    for account in now.accounts:
        yield _update(everybody(now), account, is_active=True)
        yield from _peers_of(now, account)


def _inactive(_: Change, now: Organization) -> Iterator[Notice]:
    """Accounts that are not active any more."""
    for account in now.accounts:
        yield _update(_seers(now, account), account, is_active=False)


def _roles(change: Change, now: Organization) -> Iterator[Notice]:
    """Other roles, with the groups and the channels that come and go with them."""
    former = old_value(change, "role")
    for account in now.accounts:
        yield _update(_seers(now, account), account, role=account.role)
        if isinstance(former, int):
            yield from _group_changes(now, account, former)
            yield from _channel_changes(now, account, former)


def _addresses(_: Change, now: Organization) -> Iterator[Notice]:
    """Other addresses, to those who may know them; with them, Gravatar's picture changes."""
    for account in now.accounts:
        knowing = [one.id for one in who_see(now, account) if sees_address(one, account)]
        yield _update(knowing, account, delivery_email=account.delivery_email)
        if account.avatar_source == GRAVATAR:
            yield Notice.to(
                _seers(now, account), type="realm_user", op="update", person=avatar(account)
            )
        if account.email_address_visibility == EmailVisibility.EVERYONE:
            yield _update(_seers(now, account), account, new_email=account.email)


def _names(_: Change, now: Organization) -> Iterator[Notice]:
    """Other names."""
    for account in now.accounts:
        yield _update(_seers(now, account), account, full_name=account.full_name)


def _deactivation(_: Change, now: Organization) -> Iterator[Notice]:
    """The end of an organization: open clients go to the login page, which says so."""
    yield Notice.to(everybody(now), type="realm", op="deactivated", realm_id=now.realm_id)


def _realm_name(_: Change, now: Organization) -> Iterator[Notice]:
    """Another name of the organization."""
    yield Notice.to(everybody(now), type="realm", op="update", property="name", value=now.name)


def _login_methods(change: Change, now: Organization) -> Iterator[Notice]:
    """Other ways to log in, where the details tell which."""
    methods = new_value(change, "authentication_methods")
    if isinstance(methods, dict):
        shown = {name: {"enabled": on, "available": True} for name, on in methods.items()}
        yield Notice.to(
            everybody(now),
            type="realm",
            op="update_dict",
            property="default",
            data={"authentication_methods": shown},
        )


def _new_channels(change: Change, now: Organization) -> Iterator[Notice]:
    """New channels."""
    yield from channel_events.created(now, _channels(change, now))


def _new_subscribers(change: Change, now: Organization) -> Iterator[Notice]:
    """New subscribers: first the channels that they see for the first time."""
    channels = _channels(change, now)
    active = {viewer.id for viewer in now.viewers} & set(change.user_ids)
    for channel in channels:
        newly = channel_events.seen_first_by(now, channel, active & channel.subscribers)
        yield channel_events.appeared(now, [channel], newly)
    for user_id in sorted(active):
        yield channel_events.subscribed(now, channels, user_id)
    added = {channel.id: active & channel.subscribers for channel in channels}
    yield from channel_events.peers_added(now, added)


def _channels(change: Change, now: Organization) -> list[Channel]:
    return [now.channels[number] for number in stream_ids(change) if number in now.channels]


def _appearance(now: Organization, account: Account) -> Iterator[Notice]:
    """A new account, to those who may know its address and then to those who may not."""
    audiences: dict[bool, list[Viewer]] = defaultdict(list)
    for viewer in who_see(now, account):
        audiences[sees_address(viewer, account)].append(viewer)
    for knows_address in (True, False):
        viewers = audiences[knows_address]
        if viewers:
            shown = person(account, viewers[0])
            users = [viewer.id for viewer in viewers]
            yield Notice.to(users, type="realm_user", op="add", person=shown)


def _seers(now: Organization, account: Account) -> list[int]:
    return [viewer.id for viewer in who_see(now, account)]


def _update(users: list[int], account: Account, **values: object) -> Notice:
    changed = {"user_id": account.id, **values}
    return Notice.to(users, type="realm_user", op="update", person=changed)


def _peers_of(now: Organization, account: Account) -> Iterator[Notice]:
    """An account as a subscriber of its channels, to the other ones."""
    added = {
        channel.id: (account.id,)
        for channel in now.channels.values()
        if account.id in channel.subscribers
    }
    return channel_events.peers_added(now, added)


def _membership(now: Organization, op: str, group_id: int, user_id: int) -> Notice:
    return Notice.to(
        everybody(now), type="user_group", op=op, group_id=group_id, user_ids=[user_id]
    )


def _groups_in_order(now: Organization, user_id: int) -> list[int]:
    """The system groups that an account is in: that of its role, then that of full members."""
    joined = now.groups_of.get(user_id, frozenset())
    return [group_id for group_id in _role_groups(now) if group_id in joined]


def _role_groups(now: Organization) -> list[int]:
    """All system groups; the server speaks of full members after the others."""
    names = sorted(now.system_groups, key=lambda name: name == FULL_MEMBERS)
    return [now.system_groups[name] for name in names]


def _group_changes(now: Organization, account: Account, former: int) -> Iterator[Notice]:
    """Out of the groups of the former role, into those of the present one."""
    past = {now.system_groups[name] for name in GROUPS_OF_ROLE[Role(former)]}
    present = now.groups_of.get(account.id, frozenset())
    full_members = now.system_groups[FULL_MEMBERS]
    for groups in ({*now.system_groups.values()} - {full_members}, {full_members}):
        for group_id in sorted(groups & (past - present)):
            yield _membership(now, "remove_members", group_id, account.id)
        for group_id in sorted(groups & (present - past)):
            yield _membership(now, "add_members", group_id, account.id)


def _channel_changes(now: Organization, account: Account, former: int) -> Iterator[Notice]:
    """The channels that the account sees only since, or sees no longer, to itself."""
    before, after = (
        [each for each in now.channels.values() if can_see(now, account.id, role, each)]
        for role in (former, account.role)
    )
    if new := [channel for channel in after if channel not in before]:
        yield channel_events.appeared(now, new, [account.id])
    if gone := [channel for channel in before if channel not in after]:
        yield channel_events.disappeared(gone, [account.id])


EVENT_RULES: dict[str, tuple[Rule, ...]] = {
    "realm.deactivated": (_deactivation,),
    "realm.renamed": (_realm_name,),
    "realm.auth_changed": (_login_methods,),
    "user.created": (_new_accounts,),
    "user.deactivated": (_inactive,),
    "user.reactivated": (_back_again,),
    "user.role_changed": (_roles,),
    "user.email_changed": (_addresses,),
    "user.name_changed": (_names,),
    "user.deleted": (_inactive,),
    "channel.created": (_new_channels,),
    "channel.subscribed": (_new_subscribers,),
}
