"""What every organization has and an export may lack: made as for a new organization.

The server's converters write no user groups, no defaults for new users, no presence sequence, no
audit log, and leave it to the importer to say who is the recipient of what.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent, Role
from zcore.organizations.realms import insert_presence_sequence, insert_user_defaults
from zcore.organizations.system_groups import (
    RoleHolder,
    add_to_role_groups,
    create_system_groups,
    read_system_groups,
)
from zcore.schema import tables
from zops_export.adapting import NEW_GROUPS
from zops_export.selection import CHANNEL, GROUP, PERSONAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zops_export.import_job import ImportJob

realms = tables["zerver_realm"]
users = tables["zerver_userprofile"]
channels = tables["zerver_stream"]
groups = tables["zerver_huddle"]
recipients = tables["zerver_recipient"]
subscriptions = tables["zerver_subscription"]
emoji = tables["zerver_realmemoji"]
audit_log = tables["zerver_realmauditlog"]

OF_RECIPIENTS = {PERSONAL: users, CHANNEL: channels, GROUP: groups}


def make_groups(job: ImportJob) -> None:
    """The system groups, where the export has none: before the rows whose permissions name them.

    The ids of the other rows have to be reserved.
    """
    if job.index.system_groups:
        return
    made = create_system_groups(job.writer.connection, job.realm_id, datetime.now(UTC))
    job.ids["zerver_usergroup"].add({NEW_GROUPS[name]: ident for name, ident in made.items()})


def complete(job: ImportJob) -> None:
    """What follows from the rows that are there, where the export has not said it."""
    connection, realm_id = job.writer.connection, job.realm_id
    if not _has_row(connection, tables["zerver_realmuserdefault"], realm_id):
        insert_user_defaults(connection, realm_id)
    if not _has_row(connection, tables["zerver_presencesequence"], realm_id):
        insert_presence_sequence(connection, realm_id)
    if not job.index.system_groups:
        made = read_system_groups(connection, realm_id)
        add_to_role_groups(connection, realm_id, made, list(_role_holders(connection, realm_id)))
    for kind, table in OF_RECIPIENTS.items():
        _set_recipients(connection, job, kind, table)
    _set_emoji_authors(connection, realm_id)
    if job.index.is_converted:
        _complete_converted(job)


def _complete_converted(job: ImportJob) -> None:
    connection, realm_id = job.writer.connection, job.realm_id
    if not job.index.counts.get(audit_log.name):
        write_audit_entries(connection, list(_history(connection, realm_id)))


def _has_row(connection: sa.Connection, table: sa.Table, realm_id: int) -> bool:
    query = sa.select(table.c.id).where(table.c.realm_id == realm_id).limit(1)
    return connection.execute(query).first() is not None


def _role_holders(connection: sa.Connection, realm_id: int) -> Iterator[RoleHolder]:
    """All users; a member is a full one after the organization's waiting period."""
    now = datetime.now(UTC)
    days = sa.select(realms.c.waiting_period_threshold).where(realms.c.id == realm_id)
    since = now - timedelta(days=connection.execute(days).scalar_one())
    query = sa.select(users.c.id, users.c.role, users.c.date_joined)
    for user_id, role, joined in connection.execute(query.where(users.c.realm_id == realm_id)):
        yield RoleHolder(user_id=user_id, role=Role(role), since=now, is_provisional=joined > since)


def _set_recipients(connection: sa.Connection, job: ImportJob, kind: int, table: sa.Table) -> None:
    """Who a row is as a recipient stands in the recipient only."""
    mine = (
        sa.select(recipients.c.id)
        .where(recipients.c.type == kind, recipients.c.type_id == table.c.id)
        .scalar_subquery()
    )
    for some in _slices([*job.ids[table.name].new]):
        connection.execute(
            sa.update(table)
            .where(table.c.id.in_(some), table.c.recipient_id.is_(None))
            .values(recipient_id=mine)
        )


def _slices(ids: list[int], size: int = 500) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _set_emoji_authors(connection: sa.Connection, realm_id: int) -> None:
    """An emoji that is nobody's becomes the first owner's."""
    owner = (
        sa.select(sa.func.min(users.c.id))
        .where(users.c.realm_id == realm_id, users.c.role == Role.OWNER, users.c.is_active)
        .scalar_subquery()
    )
    mine = sa.and_(emoji.c.realm_id == realm_id, emoji.c.author_id.is_(None))
    connection.execute(sa.update(emoji).where(mine).values(author_id=owner))


def _history(connection: sa.Connection, realm_id: int) -> Iterator[AuditEntry]:
    """That the organization was made, and who came into which channel: statistics need both."""
    now = datetime.now(UTC)
    created = sa.select(realms.c.date_created).where(realms.c.id == realm_id)
    yield AuditEntry(
        event_type=AuditEvent.REALM_CREATED,
        realm_id=realm_id,
        event_time=connection.execute(created).scalar_one(),
    )
    last = sa.select(sa.func.coalesce(sa.func.max(tables["zerver_message"].c.id), -1))
    last_message = connection.execute(last).scalar_one()
    joined = (
        sa.select(subscriptions.c.user_profile_id, recipients.c.type_id)
        .join(recipients, recipients.c.id == subscriptions.c.recipient_id)
        .join(users, users.c.id == subscriptions.c.user_profile_id)
        .where(users.c.realm_id == realm_id, recipients.c.type == CHANNEL)
        .order_by(subscriptions.c.id)
    )
    for user_id, channel_id in connection.execute(joined).all():
        yield AuditEntry(
            event_type=AuditEvent.SUBSCRIPTION_CREATED,
            realm_id=realm_id,
            event_time=now,
            acting_user_id=user_id,
            modified_user_id=user_id,
            modified_stream_id=channel_id,
            event_last_message_id=last_message,
        )
