"""Closing an organization (deactivating, says a server) and opening it again, as a server does."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.frozen import frozen
from zcore.organizations.audit import AuditEntry, role_counts, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.organizations.sessions import end_sessions
from zcore.schema.queues import zerver_scheduledemail, zerver_scheduledemail_users
from zcore.schema.realms import zerver_realm, zerver_realmauditlog
from zcore.schema.users import zerver_userprofile

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Turn:
    """An entry of the audit log about closing or opening an organization: its id and moment."""

    entry_id: int
    moment: datetime


@frozen
class Closed:
    """The entry about it, and what opening the organization again does not bring back.

    `session_keys` are the login sessions that were ended; `emails` counts the mails that waited for
    their day and were dropped.
    """

    turn: Turn
    session_keys: tuple[str, ...]
    emails: int


def close_realm(connection: sa.Connection, realm_id: int, reason: str, now: datetime) -> Closed:
    """Write that an active organization is deactivated, for `reason`; its users stay active."""
    set_realm_columns(connection, realm_id, deactivated=True)
    counts = role_counts(connection, realm_id)
    extra_data = {**counts, "deactivation_reason": reason}
    turn = _turn(connection, realm_id, AuditEvent.REALM_DEACTIVATED, now, extra_data)
    dropped = _drop_scheduled_emails(connection, realm_id)
    ended = end_sessions(connection, users_of(connection, realm_id))
    return Closed(turn, tuple(ended), dropped)


def reopen_realm(connection: sa.Connection, realm_id: int, now: datetime) -> None:
    """Write that a deactivated organization is active again; what is in it is not deleted."""
    set_realm_columns(connection, realm_id, deactivated=False, scheduled_deletion_date=None)
    counts = role_counts(connection, realm_id)
    _turn(connection, realm_id, AuditEvent.REALM_REACTIVATED, now, counts)


def last_turn(connection: sa.Connection, realm_id: int) -> Turn | None:
    """When the organization was closed or opened the last time; None: never."""
    log = zerver_realmauditlog.c
    turns = (AuditEvent.REALM_DEACTIVATED, AuditEvent.REALM_REACTIVATED)
    found = connection.execute(
        sa.select(log.id, log.event_time)
        .where(log.realm_id == realm_id, log.event_type.in_(turns))
        .order_by(log.id.desc())
        .limit(1)
    ).first()
    return Turn(*found) if found is not None else None


def _turn(
    connection: sa.Connection,
    realm_id: int,
    event: AuditEvent,
    now: datetime,
    extra_data: Mapping[str, object],
) -> Turn:
    """Write it into the audit log."""
    entry = AuditEntry(event_type=event, realm_id=realm_id, event_time=now, extra_data=extra_data)
    write_audit_entries(connection, [entry])
    written = last_turn(connection, realm_id)
    if written is None:
        raise LookupError(f"the audit log of realm {realm_id} lacks what was just written")
    return written


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
