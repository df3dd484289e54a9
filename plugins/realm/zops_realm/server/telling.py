"""Telling a running server of a change: what `zops_committed` of this plugin does.

The change is committed already. What cannot be told is a warning that says what the server goes on
showing, for how long, and how to make that shorter; the command has succeeded all the same.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zcore import Refused, ZopsError
from zcore.broker import encode_event, is_rabbitmq, open_broker
from zcore.tornado import organization_queues
from zops_realm.outbox import UNSENT
from zops_realm.server.cache_keys import on_the_wire, session
from zops_realm.server.cache_rules import CACHE_RULES, stale_keys
from zops_realm.server.deployments import cache_prefixes
from zops_realm.server.details import session_keys
from zops_realm.server.event_rules import EVENT_RULES, notices_of
from zops_realm.server.memcached import connected
from zops_realm.server.organization import Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zcore import Change, Context
    from zcore.console import Console
    from zops_realm.server.notices import Notice

# A notice about each account goes to every other one: with more than this many at once, reloading
# is quicker for all.
MOST_ACCOUNTS = 100
LIFETIME = "up to 7 days, or until its cache is flushed (scripts/setup/flush-memcached)"
# After these the server's worker sends the mobile push service the new numbers of accounts.
COUNTED = frozenset(
    {
        "realm.created",
        "realm.imported",
        "realm.deactivated",
        "realm.reactivated",
        "user.created",
        "user.deactivated",
        "user.reactivated",
        "user.role_changed",
        "user.deleted",
    }
)
DEFERRED_WORK = "deferred_work"
NO_MAILS = "mails about it are not sent"
NO_HOST = "there are no welcome mails without the server's host name (set ZOPS_EXTERNAL_HOST)"
WELCOMED = ("realm.created", "user.created")
# What the server goes on showing, by kind of change. Of kinds that are not here it shows nothing.
STALE = {
    "realm.deactivated": "the organization as active",
    "realm.reactivated": "the organization as deactivated",
    "realm.renamed": "the organization's former name",
    "realm.subdomain_changed": "the organization under its former subdomain",
    "realm.deleted": "the organization",
    "realm.export_ended": "an export as unfinished",
    "realm.auth_changed": "the former ways to log in",
    "user.created": "lists of users without the account",
    "user.deactivated": "the account as active",
    "user.reactivated": "the account as deactivated",
    "user.role_changed": "the account's former role",
    "user.email_changed": "the account's former address",
    "user.name_changed": "the account's former name",
    "user.password_changed": "sessions with the former password as logged in",
    "user.soft_reactivated": "the account as long away",
    "user.deleted": "the account",
    "message.rerendered": "messages without thumbnails of their images",
    "channel.created": "lists of channels without the new one",
    "channel.subscribed": "lists of subscribers without the new ones",
}


@dataclass(slots=True)
class _Untold:
    """What the server is not told since zops was not told of it: said in one line."""

    services: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    is_loss: bool = False  # something never comes, and not only late

    def add(self, service: str, *effects: str) -> None:
        """A service that is unknown to us, and what follows."""
        self.services.append(service)
        self.effects += effects

    def lose(self, effect: str) -> None:
        """Something that never comes."""
        self.effects.append(effect)
        self.is_loss = True

    def say(self, console: Console) -> None:
        """Nothing where nothing follows."""
        if not self.effects:
            return
        services = " and ".join(self.services)
        why = f"the server was not told, its {services} being unknown to zops: " if services else ""
        line = why + "; ".join(self.effects)
        if self.is_loss:
            console.warn(line)
        else:
            console.note(line)


def tell(change: Change, context: Context) -> None:
    """Tell the server of `change`, if this is a server's database and we know where the server is.

    Raises nothing that is an error of ours: what could not be told is warned of.
    """
    if not context.database.is_server:
        return
    untold = _Untold()
    _tell_cache(change, context, untold)
    _tell_clients(change, context, untold)
    if _lacks_mails(change, context):
        untold.lose(NO_HOST)
    untold.say(context.console)


def _tell_cache(change: Change, context: Context, untold: _Untold) -> None:
    if change.kind not in CACHE_RULES:
        return
    what = STALE.get(change.kind, "")
    if context.settings.memcached is None:
        untold.add("memcached", *([_still_cached(what)] if what else []))
    else:
        _warn_unless_told(change, context, _forget, _still_cached(what))


def _tell_clients(change: Change, context: Context, untold: _Untold) -> None:
    """By the broker, which may have failed already where the server's workers were to be told."""
    shown, unsent = change.kind in EVENT_RULES, change.details.get(UNSENT)
    what = STALE.get(change.kind, "")
    old = [_still_shown(what)] if shown and what else []
    if not is_rabbitmq(context.settings.broker):
        if shown or unsent is not None:
            untold.add("RabbitMQ", *old)
        if unsent is not None:
            untold.lose(f"{NO_MAILS} (set ZOPS_BROKER)")
    elif unsent is not None:
        context.console.warn("; ".join((str(unsent), *old, NO_MAILS)))
    elif shown or _is_counted(change, context):
        _warn_unless_told(change, context, _announce, _still_shown(what) if shown else "")


def _lacks_mails(change: Change, context: Context) -> bool:
    """Were there welcome mails, did we know where their links lead?"""
    is_welcomed = change.kind in WELCOMED and not change.details.get("bare")
    return is_welcomed and context.settings.external_host is None


def _is_counted(change: Change, context: Context) -> bool:
    return context.settings.push_service and change.kind in COUNTED


def _warn_unless_told(
    change: Change, context: Context, tell_it: Callable[[Change, Context], None], otherwise: str
) -> None:
    """Do it. Where it fails and the server shows something old, say so."""
    try:
        tell_it(change, context)
    except ZopsError as error:
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        if change.kind in STALE and otherwise:
            context.console.warn(f"{reason}; {otherwise}")
        else:
            context.console.debug(reason)


def _still_cached(what: str) -> str:
    return f"the server may show {what} for {LIFETIME}"


def _still_shown(what: str) -> str:
    return f"open clients show {what} until they are reloaded"


def _forget(change: Change, context: Context) -> None:
    """Delete what the change made stale from the server's cache, under every deployment's prefix.

    Raises `Refused` when no prefix is known, `Unreachable` when memcached cannot be reached.
    """
    with context.database.read() as connection:
        stale = stale_keys(change, Organization(connection, change))
    if not stale and not session_keys(change):
        return
    folder = context.settings.deployments
    prefixes = cache_prefixes(folder)
    if not prefixes:
        raise Refused(f"{folder} holds no deployment whose cache keys we may know")
    keys = [on_the_wire(prefix, key) for prefix in prefixes for key in sorted(stale)]
    keys += map(session, session_keys(change))
    with connected(context.settings) as memcached:
        deleted = memcached.delete(keys)
    context.console.debug(
        f"deleted {deleted} of {len(keys)} entries from memcached, in {len(prefixes)} deployments"
    )


def _announce(change: Change, context: Context) -> None:
    """Publish to Tornado what clients are to hear of the change, and to the server's worker.

    Raises `Refused` where it would be too much for clients or it is not known which Tornado,
    `Unreachable` when the broker cannot be reached.
    """
    if _is_counted(change, context):
        event = {"type": "push_bouncer_update_for_realm", "realm_id": change.realm_id}
        _publish(context, {DEFERRED_WORK: [encode_event(event)]})
    if len(change.user_ids) > MOST_ACCOUNTS:
        raise Refused(f"no events for more than {MOST_ACCOUNTS} accounts at once")
    _publish(context, _bodies(change, context))


def _publish(context: Context, bodies: Mapping[str, list[bytes]]) -> None:
    if not bodies:
        return
    with closing(open_broker(context)) as broker:
        for queue, events in bodies.items():
            broker.publish(queue, events)
    total = sum(map(len, bodies.values()))
    context.console.debug(f"published {total} events to {', '.join(bodies)}")


def _bodies(change: Change, context: Context) -> Mapping[str, list[bytes]]:
    """The events of the change, by queue and in order."""
    bodies: dict[str, list[bytes]] = defaultdict(list)
    with context.database.read() as connection:
        now = Organization(connection, change, context.settings.external_host)
        notices = list(notices_of(change, now))
    queues = organization_queues(context.settings, change.string_id) if notices else []
    for notice in notices:
        for queue, users in _shares(notice, queues).items():
            bodies[queue].append(encode_event({"event": notice.event, "users": users}))
    return bodies


def _shares(notice: Notice, queues: Sequence[str]) -> Mapping[str, list[int]]:
    """The accounts that a notice goes to, by the queue of the process that serves them."""
    shares: dict[str, list[int]] = defaultdict(list)
    for user_id in notice.users:
        shares[queues[user_id % len(queues)]].append(user_id)
    return shares
