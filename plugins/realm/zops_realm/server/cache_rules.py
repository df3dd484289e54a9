"""Which entries of the server's cache a change makes stale: a table, an entry a kind of change.

Each rule names keys; an entry of the table lists the rules of its kind. They follow what the
server itself deletes when it makes the same change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from zops_realm.server import cache_keys as keys
from zops_realm.server.details import deleted_users, message_ids, old_value, recipient_ids

if TYPE_CHECKING:
    from zcore import Change
    from zops_realm.server.organization import Account, Organization

Rule = Callable[["Change", "Organization"], Iterator[str]]


def stale_keys(change: Change, now: Organization) -> set[str]:
    """The keys of what `change` made stale, without prefixes; none for a kind without an entry."""
    return {key for rule in CACHE_RULES.get(change.kind, ()) for key in rule(change, now)}


def _accounts(_: Change, now: Organization) -> Iterator[str]:
    """The accounts of the change, under every name they are looked up by."""
    for account in now.accounts:
        yield from _keys_of(account, now.realm_id)


def _all_accounts(_: Change, now: Organization) -> Iterator[str]:
    """All active accounts: with each, the server keeps a copy of the organization's row."""
    for account in now.active_accounts:
        yield from _keys_of(account, now.realm_id)


def _former_names(change: Change, now: Organization) -> Iterator[str]:
    """What accounts were looked up by before the change."""
    yield from _former_keys(
        old_value(change, "email"),
        old_value(change, "delivery_email"),
        old_value(change, "api_key"),
        now.realm_id,
    )


def _deleted_accounts(change: Change, now: Organization) -> Iterator[str]:
    """The accounts of a deleted organization, as the details tell them."""
    for user in deleted_users(change):
        if isinstance(user_id := user.get("id"), int):
            yield from (keys.user_by_id(user_id), keys.narrow_user_by_id(user_id))
        yield from _former_keys(
            user.get("email"), user.get("delivery_email"), user.get("api_key"), now.realm_id
        )


def _user_list(_: Change, now: Organization) -> Iterator[str]:
    """What clients get to know of accounts."""
    yield keys.user_list(now.realm_id)
    if any(account.is_bot for account in now.accounts):
        yield keys.bot_list(now.realm_id)


def _active_lists(_: Change, now: Organization) -> Iterator[str]:
    """Who is active."""
    yield keys.active_users(now.realm_id)
    yield keys.active_non_guests(now.realm_id)


def _non_guest_list(_: Change, now: Organization) -> Iterator[str]:
    """Who is no guest."""
    yield keys.active_non_guests(now.realm_id)


def _recipients(change: Change, now: Organization) -> Iterator[str]:
    """The names of accounts in what messages are addressed to."""
    for recipient_id in (*now.recipient_ids, *recipient_ids(change)):
        yield keys.recipient(recipient_id)
    for user_id in change.user_ids:
        yield keys.single_user_recipient(user_id)


def _bot_list(_: Change, now: Organization) -> Iterator[str]:
    """What clients get to know of bots, their channels among that."""
    yield keys.bot_list(now.realm_id)


def _lists_of_the_realm(change: Change, now: Organization) -> Iterator[str]:
    """All that is kept of an organization as a whole."""
    of_realm = (
        keys.user_list,
        keys.active_users,
        keys.active_non_guests,
        keys.bot_list,
        keys.alert_words,
        keys.alert_words_automaton,
    )
    for key in of_realm:
        yield key(now.realm_id)
    for string_id in {change.string_id, old_value(change, "string_id")}:
        if isinstance(string_id, str):
            yield keys.rendered_description(string_id)
            yield keys.text_description(string_id)


def _messages(change: Change, _: Organization) -> Iterator[str]:
    """Messages as clients are shown them."""
    yield from map(keys.message, message_ids(change))


def _system_bots(_: Change, __: Organization) -> Iterator[str]:
    """The bots that come into an empty database with its first organization."""
    yield keys.cross_realm_bots()
    yield from map(keys.system_bot, keys.CROSS_REALM_BOTS)


def _keys_of(account: Account, realm_id: int) -> Iterator[str]:
    yield keys.user_by_id(account.id)
    yield keys.narrow_user_by_id(account.id)
    yield from _former_keys(account.email, account.delivery_email, account.api_key, realm_id)


def _former_keys(
    email: object, delivery_email: object, api_key: object, realm_id: int
) -> Iterator[str]:
    """The keys of those names that are told."""
    if isinstance(email, str):
        yield keys.user_by_email(email, realm_id)
    if isinstance(delivery_email, str):
        yield keys.user_by_delivery_email(delivery_email, realm_id)
    if isinstance(api_key, str):
        yield keys.user_by_api_key(api_key)


CACHE_RULES: dict[str, tuple[Rule, ...]] = {
    "realm.created": (_system_bots,),
    # a database that was made anew counts its organizations from the start
    "realm.imported": (_system_bots, _lists_of_the_realm),
    "realm.deactivated": (_all_accounts, _lists_of_the_realm),
    "realm.reactivated": (_all_accounts,),
    "realm.renamed": (_all_accounts,),
    "realm.subdomain_changed": (_all_accounts, _lists_of_the_realm),
    "realm.deleted": (_deleted_accounts, _lists_of_the_realm),
    "user.created": (_accounts, _user_list, _active_lists, _recipients),
    "user.deactivated": (_accounts, _user_list, _active_lists),
    "user.reactivated": (_accounts, _user_list, _active_lists),
    "user.role_changed": (_accounts, _user_list, _non_guest_list),
    "user.email_changed": (_accounts, _former_names, _user_list, _recipients),
    "user.name_changed": (_accounts, _user_list, _recipients),
    "user.password_changed": (_accounts, _former_names),  # a rotated key must not be found
    "user.soft_reactivated": (_accounts,),
    "user.deleted": (_accounts, _former_names, _user_list, _active_lists, _recipients),
    "channel.created": (_bot_list,),
    "message.rerendered": (_messages,),
}
