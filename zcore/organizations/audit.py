"""Rows of `zerver_realmauditlog`, the history that the server computes its statistics from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.codes import (
    AUDIT_BOT_COUNT,
    AUDIT_HUMANS_BY_ROLE,
    AUDIT_ROLE_COUNT,
    AuditEvent,
    Role,
)
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
    """Insert `entries` in their order."""
    rows = [asdict(entry) | {"backfilled": False} for entry in entries]
    if rows:
        connection.execute(sa.insert(zerver_realmauditlog), rows)


def role_counts(connection: sa.Connection, realm_id: int) -> dict[str, object]:
    """The `extra_data` that an entry about a user's coming or going must carry.

    It counts the active humans of the realm by role, and its active bots, as they are now.
    """
    users = zerver_userprofile.c
    counted = (
        sa.select(users.is_bot, users.role, sa.func.count())
        .where(users.realm_id == realm_id, users.is_active)
        .group_by(users.is_bot, users.role)
    )
    humans = dict.fromkeys((str(int(role)) for role in Role), 0)
    bots = 0
    for is_bot, role, count in connection.execute(counted):
        if is_bot:
            bots += count
        else:
            humans[str(role)] = count
    return {AUDIT_ROLE_COUNT: {AUDIT_HUMANS_BY_ROLE: humans, AUDIT_BOT_COUNT: bots}}
