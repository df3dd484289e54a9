"""Events about channels, and about who is subscribed to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from zops_realm.server.audience import can_see, non_guests, who_see_subscribers
from zops_realm.server.event_json import channel_json, subscription_json
from zops_realm.server.notices import Notice

if TYPE_CHECKING:
    from zops_realm.server.organization import Channel, Organization


def created(now: Organization, channels: Collection[Channel]) -> Iterator[Notice]:
    """New channels, to everybody who can see them."""
    for channel in channels:
        users = [one.id for one in now.viewers if can_see(now, one.id, one.role, channel)]
        yield appeared(now, [channel], users)


def appeared(now: Organization, channels: Collection[Channel], users: Collection[int]) -> Notice:
    """Channels that `users` can see from now on."""
    streams = [channel_json(now, channel) for channel in channels]
    return Notice.to(users, type="stream", op="create", streams=streams)


def disappeared(channels: Collection[Channel], users: Collection[int]) -> Notice:
    """Channels that `users` can no longer see."""
    ids = [channel.id for channel in channels]
    streams = [{"stream_id": stream_id} for stream_id in ids]
    return Notice.to(users, type="stream", op="delete", streams=streams, stream_ids=ids)


def defaults(now: Organization) -> Notice:
    """The channels that everybody new is subscribed to, all of them."""
    return Notice.to(non_guests(now), type="default_streams", default_streams=now.default_channels)


def subscribers_shown(
    now: Organization, channels: Collection[Channel], user_id: int
) -> Iterator[Notice]:
    """Who is subscribed to channels that an account sees for the first time, to that account."""
    for stream_id, subscribers in now.subscribers_of(channels).items():
        if subscribers:
            yield _peers(subscribers, [stream_id], [user_id])


def subscribed(now: Organization, channels: Collection[Channel], user_id: int) -> Notice:
    """Channels that an account has been subscribed to, to that account."""
    rows = now.subscriptions(user_id)
    subscriptions = [
        subscription_json(now, channel, rows[channel.row["recipient_id"]])
        for channel in channels
        if channel.row["recipient_id"] in rows
    ]
    return Notice.to([user_id], type="subscription", op="add", subscriptions=subscriptions)


def seen_first_by(now: Organization, channel: Channel, user_ids: Collection[int]) -> set[int]:
    """Those of `user_ids`, new subscribers, who could not see the channel before."""
    if channel.is_web_public:
        return set()
    return {
        viewer.id
        for viewer in now.viewers
        if viewer.id in user_ids
        and not viewer.is_administrator
        and (channel.is_private or viewer.is_guest)
    }


def peers_added(now: Organization, added: Mapping[int, Collection[int]]) -> Iterator[Notice]:
    """New subscribers, by channel, to the others who see who is subscribed.

    Channels with the same news for the same audience share an event.
    """
    shared: dict[tuple[frozenset[int], frozenset[int]], list[int]] = defaultdict(list)
    for stream_id, user_ids in added.items():
        channel = now.channels.get(stream_id)
        if channel is not None and user_ids:
            newcomers = frozenset(user_ids)
            audience = frozenset(who_see_subscribers(now, channel) - newcomers)
            if channel.is_private or channel.subscribers - non_guests(now) - newcomers:
                yield _peers(newcomers, [stream_id], audience)
            else:
                shared[newcomers, audience].append(stream_id)
    for (newcomers, audience), ids in shared.items():
        yield _peers(newcomers, ids, audience)


def _peers(newcomers: Collection[int], ids: list[int], audience: Collection[int]) -> Notice:
    return Notice.to(
        audience,
        type="subscription",
        op="peer_add",
        stream_ids=sorted(ids),
        user_ids=sorted(newcomers),
    )
