"""An organization as it is after a change: what the rules about caches and events ask for.

Everything is read when it is first asked for, in the one transaction that the rules run in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.organizations.codes import Role
from zcore.organizations.group_settings import REALM_GROUP_SETTINGS
from zcore.organizations.hosts import display_email_host
from zcore.organizations.system_groups import (
    EVERYONE,
    GROUP_PERMISSIONS,
    SystemGroups,
    read_system_groups,
)
from zcore.schema.channels import zerver_defaultstream, zerver_stream, zerver_subscription
from zcore.schema.groups import (
    zerver_groupgroupmembership,
    zerver_namedusergroup,
    zerver_usergroupmembership,
)
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zops_realm.server.details import stream_ids

if TYPE_CHECKING:
    from zcore import Change

CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Account:
    """An account, with the columns (of the same names) that caches and events show."""

    id: int
    api_key: str
    email: str
    delivery_email: str
    full_name: str
    role: int
    is_bot: bool
    is_active: bool
    timezone: str
    date_joined: datetime
    avatar_source: str
    avatar_version: int
    email_address_visibility: int
    allow_private_data_export: bool
    bot_owner_id: int | None
    default_sending_stream_id: int | None
    default_events_register_stream_id: int | None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may have a client open: an active account."""

    id: int
    role: int
    is_bot: bool

    @property
    def is_guest(self) -> bool:
        """Guests see only what they were let in to."""
        return self.role == Role.GUEST

    @property
    def is_administrator(self) -> bool:
        """Administrators and owners see every channel there is, if not what is in it."""
        return self.role in (Role.OWNER, Role.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: the row, and the active accounts that are subscribed."""

    row: Mapping[str, Any]
    subscribers: frozenset[int]

    @property
    def id(self) -> int:
        """Its number, which events call `stream_id`."""
        return int(self.row["id"])

    @property
    def is_private(self) -> bool:
        """Can only its subscribers and administrators see that it exists?"""
        return bool(self.row["invite_only"])

    @property
    def is_web_public(self) -> bool:
        """Can everybody see it, guests too?"""
        return bool(self.row["is_web_public"])


class Organization:
    """The organization that `change` is about.

    `host` is its own, without a port; None where the server's, `external_host`, is not known.
    """

    def __init__(
        self, connection: sa.Connection, change: Change, external_host: str | None = None
    ) -> None:
        self._connection = connection
        self._change = change
        self.realm_id = change.realm_id
        self.host = external_host and display_email_host(change.string_id, external_host)

    @cached_property
    def accounts(self) -> list[Account]:
        """The accounts that the change is about, by number."""
        return list(self._accounts(self._change.user_ids))

    @cached_property
    def active_accounts(self) -> list[Account]:
        """All active accounts, bots too, by number."""
        return [account for account in self._accounts(None) if account.is_active]

    @cached_property
    def viewers(self) -> list[Viewer]:
        """Those whom events can go to, by number."""
        users = zerver_userprofile.c
        chosen = sa.select(users.id, users.role, users.is_bot).where(
            users.realm_id == self.realm_id, users.is_active
        )
        return [Viewer(*row) for row in self._connection.execute(chosen.order_by(users.id))]

    @cached_property
    def recipient_ids(self) -> set[int]:
        """The recipients that the accounts of the change have subscribed to, ever."""
        subscriptions = zerver_subscription.c
        found: set[int] = set()
        for some in _chunks(self._change.user_ids):
            chosen = sa.select(subscriptions.recipient_id).distinct()
            found.update(
                self._connection.scalars(chosen.where(subscriptions.user_profile_id.in_(some)))
            )
        return found

    @cached_property
    def name(self) -> str:
        """The organization's name."""
        name: str = self._realm_value(zerver_realm.c.name)
        return name

    @cached_property
    def hides_users_from_guests(self) -> bool:
        """Do guests see only the users that they share something with?"""
        allowed: int = self._realm_value(zerver_realm.c.can_access_all_users_group_id)
        return allowed != self.system_groups.get(EVERYONE)

    @cached_property
    def system_groups(self) -> SystemGroups:
        """Ids of the system groups by name."""
        return read_system_groups(self._connection, self.realm_id)

    @cached_property
    def groups_of(self) -> Mapping[int, frozenset[int]]:
        """The groups that each account of the change is a direct member of, unnamed ones too."""
        members = zerver_usergroupmembership.c
        found: dict[int, set[int]] = {}
        for some in _chunks(self._change.user_ids):
            chosen = sa.select(members.user_profile_id, members.user_group_id).where(
                members.user_profile_id.in_(some)
            )
            for user_id, group_id in self._connection.execute(chosen):
                found.setdefault(user_id, set()).add(group_id)
        return {user_id: frozenset(groups) for user_id, groups in found.items()}

    @cached_property
    def channels(self) -> dict[int, Channel]:
        """All channels that are not archived, by number.

        Who is subscribed is known of those that the change is about (`stream_ids` of its details)
        or that its accounts have to do with.
        """
        streams = zerver_stream.c
        chosen = sa.select(zerver_stream).where(
            streams.realm_id == self.realm_id, sa.not_(streams.deactivated)
        )
        rows = self._connection.execute(chosen.order_by(streams.id)).mappings().all()
        named = set(stream_ids(self._change))
        wanted = {row["recipient_id"] for row in rows if row["id"] in named} | self.recipient_ids
        subscribers = self._subscribers(wanted)
        return {
            row["id"]: Channel(dict(row), frozenset(subscribers.get(row["recipient_id"], ())))
            for row in rows
        }

    @cached_property
    def named_groups(self) -> frozenset[int]:
        """The groups that have a name; any other stands for one permission's own list."""
        named = zerver_namedusergroup.c
        chosen = sa.select(named.usergroup_ptr_id).where(named.realm_id == self.realm_id)
        return frozenset(self._connection.scalars(chosen))

    def settings_by_group(self, group_id: int) -> Iterator[tuple[int | None, str]]:
        """The permissions that a group without a name stands for.

        Each with the named group whose permission it is, None where it is the organization's, and
        its column.
        """
        named = zerver_namedusergroup.c
        rows = self._connection.execute(
            sa.select(named.usergroup_ptr_id, *(named[column] for column in GROUP_PERMISSIONS))
            .where(named.realm_id == self.realm_id)
            .order_by(named.usergroup_ptr_id)
        ).mappings()
        for row in rows:
            for column in GROUP_PERMISSIONS:
                if row[column] == group_id:
                    yield row["usergroup_ptr_id"], column
        for column in REALM_GROUP_SETTINGS:
            if self._realm_value(zerver_realm.c[column]) == group_id:
                yield None, column

    def group_members(self, group_id: int) -> tuple[list[int], list[int]]:
        """The direct members of a group: active accounts, and groups."""
        users, groups = zerver_usergroupmembership.c, zerver_groupgroupmembership.c
        members = (
            sa.select(users.user_profile_id)
            .join(zerver_userprofile, zerver_userprofile.c.id == users.user_profile_id)
            .where(users.user_group_id == group_id, zerver_userprofile.c.is_active)
        )
        inside = sa.select(groups.subgroup_id).where(groups.supergroup_id == group_id)
        return (
            sorted(self._connection.scalars(members)),
            sorted(self._connection.scalars(inside)),
        )

    @cached_property
    def private_channels(self) -> frozenset[int]:
        """The numbers of all private channels, archived ones too."""
        streams = zerver_stream.c
        chosen = sa.select(streams.id).where(streams.realm_id == self.realm_id, streams.invite_only)
        return frozenset(self._connection.scalars(chosen))

    @cached_property
    def default_channels(self) -> list[int]:
        """The numbers of the channels that new accounts are subscribed to."""
        defaults = zerver_defaultstream.c
        chosen = sa.select(defaults.stream_id).where(defaults.realm_id == self.realm_id)
        return sorted(self._connection.scalars(chosen))

    def subscribers_of(self, channels: Collection[Channel]) -> Mapping[int, set[int]]:
        """The active accounts that are subscribed, by the number of the channel."""
        by_recipient = self._subscribers({channel.row["recipient_id"] for channel in channels})
        return {
            channel.id: by_recipient.get(channel.row["recipient_id"], set()) for channel in channels
        }

    def subscriptions(self, user_id: int) -> dict[int, Mapping[str, Any]]:
        """The rows of the channels that an account is subscribed to, by recipient."""
        subscriptions = zerver_subscription.c
        chosen = sa.select(zerver_subscription).where(
            subscriptions.user_profile_id == user_id, subscriptions.active
        )
        rows = self._connection.execute(chosen).mappings()
        return {row["recipient_id"]: dict(row) for row in rows}

    def _realm_value(self, column: sa.Column[Any]) -> Any:
        return self._connection.scalar(sa.select(column).where(zerver_realm.c.id == self.realm_id))

    def _accounts(self, user_ids: Collection[int] | None) -> Iterator[Account]:
        """Accounts of the organization: those with `user_ids`, or all."""
        users = zerver_userprofile.c
        columns = [users[field.name] for field in fields(Account)]
        chosen = sa.select(*columns).where(users.realm_id == self.realm_id).order_by(users.id)
        if user_ids is None:
            yield from (Account(*row) for row in self._connection.execute(chosen))
            return
        for some in _chunks(sorted(user_ids)):
            rows = self._connection.execute(chosen.where(users.id.in_(some)))
            yield from (Account(*row) for row in rows)

    def _subscribers(self, recipient_ids: Collection[int]) -> dict[int, set[int]]:
        """The active accounts that are subscribed to a channel, by the channel's recipient."""
        subscriptions = zerver_subscription.c
        columns = (subscriptions.recipient_id, subscriptions.user_profile_id)
        chosen = sa.select(*columns).where(subscriptions.active, subscriptions.is_user_active)
        found: dict[int, set[int]] = {}
        for some in _chunks(recipient_ids):
            rows = self._connection.execute(chosen.where(subscriptions.recipient_id.in_(some)))
            for recipient_id, user_id in rows:
                found.setdefault(recipient_id, set()).add(user_id)
        return found


def _chunks(values: Collection[int]) -> Iterator[list[int]]:
    ordered = list(values)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]
