"""Closing an organization (deactivating, says a server) and opening it again, as a server does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.audit import AuditEntry, role_counts, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.organizations.sessions import end_sessions
from zcore.schema.queues import zerver_scheduledemail, zerver_scheduledemail_users
from zcore.schema.realms import zerver_realm, zerver_realmauditlog
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing an organization did that opening it again does not bring back.

    `session_keys` are the login sessions that were ended, `scheduled_emails` counts the mails that
    waited for their day and were dropped.
    """

    session_keys: tuple[str, ...]
    scheduled_emails: int


def close_realm(connection: sa.Connection, realm_id: int, reason: str, now: datetime) -> Closed:
    """Write that an active organization is deactivated, for `reason`; its users stay active."""
    set_realm_columns(connection, realm_id, deactivated=True)
    counts = role_counts(connection, realm_id)
    entry = AuditEntry(
        event_type=AuditEvent.REALM_DEACTIVATED,
        realm_id=realm_id,
        event_time=now,
        extra_data={**counts, "deactivation_reason": reason},
    )
    write_audit_entries(connection, [entry])
    dropped = _drop_scheduled_emails(connection, realm_id)
    return Closed(tuple(end_sessions(connection, users_of(connection, realm_id))), dropped)


def reopen_realm(connection: sa.Connection, realm_id: int, now: datetime) -> None:
    """Write that a deactivated organization is active again; what is in it is not deleted."""
    set_realm_columns(connection, realm_id, deactivated=False, scheduled_deletion_date=None)
    entry = AuditEntry(
        event_type=AuditEvent.REALM_REACTIVATED,
        realm_id=realm_id,
        event_time=now,
        extra_data=role_counts(connection, realm_id),
    )
    write_audit_entries(connection, [entry])


def last_turn(connection: sa.Connection, realm_id: int) -> int | None:
    """The id of the audit log's last entry about closing or opening the organization."""
    log = zerver_realmauditlog.c
    turns = (AuditEvent.REALM_DEACTIVATED, AuditEvent.REALM_REACTIVATED)
    last = sa.select(sa.func.max(log.id))
    found: int | None = connection.scalar(
        last.where(log.realm_id == realm_id, log.event_type.in_(turns))
    )
    return found


def lock_realm(connection: sa.Connection, realm_id: int) -> None:
    """Until the transaction ends, nobody else changes the organization's own row."""
    realms = zerver_realm.c
    connection.execute(sa.select(realms.id).where(realms.id == realm_id).with_for_update())


def set_realm_columns(connection: sa.Connection, realm_id: int, **values: object) -> None:
    """Change columns of the row in `zerver_realm`."""
    update = sa.update(zerver_realm).where(zerver_realm.c.id == realm_id)
    connection.execute(update.values(**values))


def users_of(connection: sa.Connection, realm_id: int) -> set[int]:
    """The ids of all accounts of an organization."""
    users = zerver_userprofile.c
    return set(connection.scalars(sa.select(users.id).where(users.realm_id == realm_id)))


def _drop_scheduled_emails(connection: sa.Connection, realm_id: int) -> int:
    emails, links = zerver_scheduledemail, zerver_scheduledemail_users
    of_realm = sa.select(emails.c.id).where(emails.c.realm_id == realm_id)
    connection.execute(sa.delete(links).where(links.c.scheduledemail_id.in_(of_realm)))
    return connection.execute(sa.delete(emails).where(emails.c.realm_id == realm_id)).rowcount
