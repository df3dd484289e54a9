"""Who is in which user group: rows of `zerver_usergroupmembership`, and their audit entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.organizations.inserts import insert_rows
from zcore.schema.groups import zerver_usergroupmembership

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import sqlalchemy as sa


def join_groups(
    connection: sa.Connection,
    realm_id: int,
    memberships: Iterable[tuple[int, Sequence[int]]],
    now: datetime,
) -> None:
    """Put users into groups that they are not in: for each user's id the ids of the groups."""
    pairs = [(user_id, group_id) for user_id, groups in memberships for group_id in groups]
    rows = ({"user_group_id": group_id, "user_profile_id": user_id} for user_id, group_id in pairs)
    insert_rows(connection, zerver_usergroupmembership, rows)
    entries = (
        AuditEntry(
            event_type=AuditEvent.USER_ADDED_TO_GROUP,
            realm_id=realm_id,
            event_time=now,
            modified_user_id=user_id,
            modified_user_group_id=group_id,
        )
        for user_id, group_id in pairs
    )
    write_audit_entries(connection, entries)
