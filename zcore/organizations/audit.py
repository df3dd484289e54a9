"""Rows of `zerver_realmauditlog`, the history that the server computes its statistics from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.codes import (
    AUDIT_BOT_COUNT,
    AUDIT_HUMANS_BY_ROLE,
    AUDIT_ROLE_COUNT,
    AuditEvent,
    Role,
)
from zcore.rows_in import Writer
from zcore.schema.realms import zerver_realmauditlog
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One row: the fields are the columns."""

    event_type: AuditEvent
    realm_id: int
    event_time: datetime
    acting_user_id: int | None = None
    modified_user_id: int | None = None
    modified_stream_id: int | None = None
    modified_user_group_id: int | None = None
    event_last_message_id: int | None = None
    extra_data: Mapping[str, object] = field(default_factory=dict)


def write_audit_entries(connection: sa.Connection, entries: Iterable[AuditEntry]) -> None:
    """Insert `entries` in their order; they are taken one by one, however many there are."""
    columns = [field.name for field in fields(AuditEntry)]
    values = attrgetter(*columns)
    rows = map(values, entries)
    Writer(connection).copy_in(zerver_realmauditlog, columns, rows, {"backfilled": False})


@dataclass(slots=True)
class RoleCount:
    """How many active humans of each role, and active bots, a realm has.

    Every entry about somebody's coming or going carries it, as it is afterwards.
    """

    humans: dict[str, int]
    bots: int = 0

    @classmethod
    def read(cls, connection: sa.Connection, realm_id: int) -> RoleCount:
        """As it is now."""
        users = zerver_userprofile.c
        counted = (
            sa.select(users.is_bot, users.role, sa.func.count())
            .where(users.realm_id == realm_id, users.is_active)
            .group_by(users.is_bot, users.role)
        )
        count = cls(dict.fromkeys((str(int(role)) for role in Role), 0))
        for is_bot, role, number in connection.execute(counted):
            if is_bot:
                count.bots += number
            else:
                count.humans[str(role)] = number
        return count

    def add(self, role: int) -> None:
        """One more human with this role."""
        self.humans[str(int(role))] += 1

    def as_audit_data(self) -> dict[str, object]:
        """What stands in the entry's `extra_data`."""
        humans = dict(self.humans)
        return {AUDIT_ROLE_COUNT: {AUDIT_HUMANS_BY_ROLE: humans, AUDIT_BOT_COUNT: self.bots}}


def role_counts(connection: sa.Connection, realm_id: int) -> dict[str, object]:
    """The `extra_data` of an entry about a change that has happened already."""
    return RoleCount.read(connection, realm_id).as_audit_data()
