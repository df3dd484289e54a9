"""The user groups and channels of an organization, by the names that a file gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Generic, TypeVar

import sqlalchemy as sa

from zcore.schema.channels import zerver_stream
from zcore.schema.groups import zerver_namedusergroup
from zops_realm.bulk.refusals import Refusal
from zops_realm.subscriptions import Channel

if TYPE_CHECKING:
    from zops_realm.bulk.wanted import Wanted

T = TypeVar("T")
Complaint = tuple[str, str, str]
"""Code, message, hint."""


@dataclass(frozen=True, slots=True)
class Named(Generic[T]):
    """Something with a name, and why nobody can be put into it ("" when that is possible)."""

    name: str
    value: T
    closed: str = ""


class References:
    """What lines may refer to."""

    def __init__(self, connection: sa.Connection, realm_id: int) -> None:
        self._groups = {group.name: group for group in _groups(connection, realm_id)}
        self._channels = {one.name.lower(): one for one in _channels(connection, realm_id)}

    def refusals(self, account: Wanted) -> Iterator[Refusal]:
        """What is wrong with the names that `account` gives."""
        for name in account.groups:
            yield from _complaints(account, "group", name, self._groups, str)
        for name in account.channels:
            yield from _complaints(account, "channel", name, self._channels, str.lower)

    def group_ids(self, account: Wanted) -> list[int]:
        """The groups of an account that has no refusals."""
        return [self._groups[name].value for name in account.groups]

    def channels(self, account: Wanted) -> list[Channel]:
        """The channels of an account that has no refusals."""
        return [self._channels[name.lower()].value for name in account.channels]


def _complaints(
    account: Wanted,
    kind: str,
    name: str,
    known: dict[str, Named[T]],
    key: Callable[[str], str],
) -> Iterator[Refusal]:
    found = known.get(key(name))
    if found is None:
        close = get_close_matches(key(name), known, n=1)
        hint = f"did you mean {known[close[0]].name!r}?" if close else f"create the {kind} first"
        message = f"the organization has no {kind} {name!r}"
        yield Refusal(account.line, account.email, f"{kind}-unknown", message, hint)
    elif found.closed:
        message = f"the {kind} {name!r} {found.closed}"
        yield Refusal(account.line, account.email, f"{kind}-closed", message)


def _groups(connection: sa.Connection, realm_id: int) -> Iterator[Named[int]]:
    groups = zerver_namedusergroup.c
    chosen = sa.select(
        groups.name, groups.usergroup_ptr_id, groups.is_system_group, groups.deactivated
    ).where(groups.realm_id == realm_id)
    for name, group_id, is_system_group, is_deactivated in connection.execute(chosen):
        closed = "is that of a role: give the role instead" if is_system_group else ""
        yield Named(name, group_id, "is deactivated" if is_deactivated else closed)


def _channels(connection: sa.Connection, realm_id: int) -> Iterator[Named[Channel]]:
    streams = zerver_stream.c
    chosen = sa.select(streams.name, streams.id, streams.recipient_id, streams.deactivated).where(
        streams.realm_id == realm_id
    )
    for name, channel_id, recipient_id, is_archived in connection.execute(chosen):
        yield Named(name, Channel(channel_id, recipient_id), "is archived" if is_archived else "")
