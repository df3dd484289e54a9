"""What the details of a change say: that which the database no longer tells.

The specification of `zops_committed` (`zcore/hookspecs.py`) says which kinds of change carry what.
Details that are left out leave stale what only they would tell.
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


def message_ids(change: Change) -> list[int]:
    """The messages that the change is about."""
    return list(_numbers(change.details.get("message_ids")))


def session_keys(change: Change) -> list[str]:
    """The login sessions that were deleted."""
    return [str(key) for key in _iterable(change.details.get("session_keys"))]


def ended_invitations(change: Change) -> bool:
    """Were invitations ended with it that the accounts had sent?"""
    return bool(change.details.get("invitations_ended"))


def deleted_users(change: Change) -> list[Mapping[str, object]]:
    """The accounts of a deleted organization."""
    return [_mapping(user) for user in _iterable(change.details.get("users"))]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _iterable(value: object) -> Iterable[object]:
    return value if isinstance(value, Iterable) and not isinstance(value, str) else ()


def _numbers(value: object) -> Iterator[int]:
    return (number for number in _iterable(value) if isinstance(number, int))
