"""Which events a change gives: a table, an entry a kind of change.

Each rule gives notices in the order in which the server itself would send them. Notices to nobody
are left out, and so are those about messages and about a new organization: whoever these go to has
no client yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from zops_realm.server import account_events, channel_events
from zops_realm.server.audience import everybody, human_administrators
from zops_realm.server.details import new_value, stream_ids
from zops_realm.server.notices import Notice

if TYPE_CHECKING:
    from zcore import Change
    from zops_realm.server.organization import Channel, Organization

Rule = Callable[["Change", "Organization"], Iterator[Notice]]


def notices_of(change: Change, now: Organization) -> Iterator[Notice]:
    """What clients are to hear of `change`, in order; nothing for a kind without an entry."""
    for rule in EVENT_RULES.get(change.kind, ()):
        yield from (notice for notice in rule(change, now) if notice.users)


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


def _exports(change: Change, now: Organization) -> Iterator[Notice]:
    """How the exports stand that were asked for in the web application."""
    exports = change.details.get("exports")
    yield Notice.to(human_administrators(now), type="realm_export", exports=exports)


def _new_channels(change: Change, now: Organization) -> Iterator[Notice]:
    """New channels, and that they are some of those that everybody new is subscribed to."""
    channels = _channels(change, now)
    yield from channel_events.created(now, channels)
    if any(channel.id in now.default_channels for channel in channels):
        yield channel_events.defaults(now)


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


EVENT_RULES: dict[str, tuple[Rule, ...]] = {
    "realm.deactivated": (_deactivation,),
    "realm.renamed": (_realm_name,),
    "realm.auth_changed": (_login_methods,),
    "realm.export_ended": (_exports,),
    "user.created": (account_events.created,),
    "user.deactivated": (account_events.deactivated,),
    "user.reactivated": (account_events.reactivated,),
    "user.role_changed": (account_events.role_changed,),
    "user.email_changed": (account_events.email_changed,),
    "user.name_changed": (account_events.name_changed,),
    # the server tells of the first and leaves the rest to the next reload
    "user.deleted": (
        account_events.deactivated,
        account_events.name_changed,
        account_events.email_changed,
    ),
    "channel.created": (_new_channels,),
    "channel.subscribed": (_new_subscribers,),
}
