"""What the details of a change say: that which the database no longer tells.

========================  ======================================================================
kind                      details
========================  ======================================================================
`realm.subdomain_changed`  `old`: `string_id`
`realm.auth_changed`      `new`: `authentication_methods`, name -> is it on?
`realm.deleted`           `users`: a mapping for each account that was, with `id`, `email`,
                          `delivery_email` and `api_key`
`user.role_changed`       `old`: `role`; `new`: `role`
`user.email_changed`      `old`: `email`, `delivery_email`
`user.deleted`            `old`: `email`, `delivery_email`, `api_key`; `recipient_ids`: what the
                          account was subscribed to
`channel.created`         `stream_ids`
`channel.subscribed`      `stream_ids`; `user_ids` of the change are the new subscribers
any                       `session_keys`: login sessions that were deleted
========================  ======================================================================

A change with old values is about one account; any other can be about many at once. Details that
are left out leave stale what only they would tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore import Change


def old_value(change: Change, column: str) -> object:
    """What `column` was before the change; None when that is not told."""
    return _mapping(change.details.get("old")).get(column)


def new_value(change: Change, column: str) -> object:
    """What `column` is since the change; None when that is not told."""
    return _mapping(change.details.get("new")).get(column)


def stream_ids(change: Change) -> list[int]:
    """The channels that the change is about."""
    return list(_numbers(change.details.get("stream_ids")))


def recipient_ids(change: Change) -> list[int]:
    """The recipients that a deleted account was subscribed to."""
    return list(_numbers(change.details.get("recipient_ids")))


def session_keys(change: Change) -> list[str]:
    """The login sessions that were deleted."""
    return [str(key) for key in _iterable(change.details.get("session_keys"))]


def deleted_users(change: Change) -> list[Mapping[str, object]]:
    """The accounts of a deleted organization."""
    return [_mapping(user) for user in _iterable(change.details.get("users"))]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _iterable(value: object) -> Iterable[object]:
    return value if isinstance(value, Iterable) and not isinstance(value, str) else ()


def _numbers(value: object) -> Iterator[int]:
    return (number for number in _iterable(value) if isinstance(number, int))
