"""The row that a server keeps of an export (`zerver_realmexport`), and its states."""

from __future__ import annotations

import enum
from datetime import datetime  # read from a record, by the types of the fields
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Refused
from zcore.frozen import frozen
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.schema.realms import zerver_realmexport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zops_export.selection import Mode


class ExportStatus(enum.IntEnum):
    """`zerver_realmexport.status`."""

    REQUESTED = 1
    STARTED = 2
    SUCCEEDED = 3
    FAILED = 4


UNFINISHED = frozenset({ExportStatus.REQUESTED, ExportStatus.STARTED})


@frozen
class Published:
    """What there is to say of a finished export: its size in bytes, and its SHA-256 in hex.

    `stats` is what its `stats.json` says; `path` where it was uploaded to, as in a URL, or None.
    """

    size: int
    sha256: str
    stats: Mapping[str, object]
    path: str | None = None


@frozen
class RowKey:
    """A row of the realm, known by its id and the moment when the export was asked for.

    An id alone is not enough: SQLite gives that of a row that was rolled back to another one.
    """

    realm_id: int
    row_id: int
    requested: datetime

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """It is this row."""
        rows = zerver_realmexport.c
        return sa.and_(
            rows.id == self.row_id,
            rows.realm_id == self.realm_id,
            rows.date_requested == self.requested,
        )


def insert_row(connection: sa.Connection, realm_id: int, mode: Mode, now: datetime) -> RowKey:
    """A new row, of an export that was asked for on the command line."""
    row = {
        "realm_id": realm_id,
        "type": mode.value,
        "status": int(ExportStatus.REQUESTED),
        "date_requested": now,
    }
    insert = sa.insert(zerver_realmexport).values(row).returning(zerver_realmexport.c.id)
    return RowKey(realm_id, connection.execute(insert).scalar_one(), now)


def requested_row(connection: sa.Connection, realm_id: int, row_id: int, mode: Mode) -> RowKey:
    """The row of an export that was asked for in the web application, and is not there yet.

    One that failed can be begun again, and so can one whose maker was killed. Raises `Refused`
    when there is none, or it is of another kind.
    """
    rows = zerver_realmexport.c
    chosen = sa.select(rows.date_requested, rows.status, rows.type)
    chosen = chosen.where(rows.id == row_id, rows.realm_id == realm_id).with_for_update()
    row = connection.execute(chosen).first()
    if row is None:
        raise _refused(f"nobody has asked for an export {row_id} of this organization")
    if row.type != mode.value:
        raise _refused(f"export {row_id} was asked for as one of another kind")
    if row.status not in {*UNFINISHED, ExportStatus.FAILED}:
        raise _refused(f"export {row_id} has been made already")
    return RowKey(realm_id, row_id, row.date_requested)


def _refused(reason: str) -> Refused:
    return Refused(reason, hint="leave --requested out to make another one", code="not-requested")


def status_of(connection: sa.Connection, key: RowKey) -> ExportStatus | None:
    """What the row says; None when it is not there, or says something else."""
    status = connection.scalar(sa.select(zerver_realmexport.c.status).where(key.condition))
    return ExportStatus(status) if status in set(ExportStatus) else None


def mark_started(connection: sa.Connection, key: RowKey, now: datetime) -> None:
    """The export begins, or goes on after it failed."""
    _set(connection, key, ExportStatus.STARTED, date_started=now, date_failed=None)


def mark_failed(connection: sa.Connection, key: RowKey, now: datetime) -> None:
    """The export came to no good end. Nothing happens where it had come to one."""
    if status_of(connection, key) in UNFINISHED:
        _set(connection, key, ExportStatus.FAILED, date_failed=now)


def mark_succeeded(
    connection: sa.Connection, key: RowKey, published: Published, now: datetime
) -> None:
    """The export is there; the audit log says so too. Nothing happens the second time."""
    if status_of(connection, key) is ExportStatus.SUCCEEDED:
        return
    entry = AuditEntry(
        event_type=AuditEvent.REALM_EXPORTED,
        realm_id=key.realm_id,
        event_time=now,
        acting_user_id=_acting_user(connection, key),
        extra_data={"realm_export_id": key.row_id},
    )
    write_audit_entries(connection, [entry])
    _set(
        connection,
        key,
        ExportStatus.SUCCEEDED,
        date_succeeded=now,
        sha256sum_hex=published.sha256,
        tarball_size_bytes=published.size,
        stats=dict(published.stats),
        export_path=published.path,
    )


def _acting_user(connection: sa.Connection, key: RowKey) -> int | None:
    """Who asked for it; None: somebody on the command line."""
    chosen = sa.select(zerver_realmexport.c.acting_user_id).where(key.condition)
    user_id: int | None = connection.scalar(chosen)
    return user_id


def _set(connection: sa.Connection, key: RowKey, status: ExportStatus, **values: object) -> None:
    update = sa.update(zerver_realmexport).where(key.condition)
    connection.execute(update.values(status=int(status), **values))
