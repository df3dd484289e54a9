"""What an export writes to the database besides reading it, as a server does.

Its row goes through the states, the audit log says that the organization was exported, and with
`--deactivate-realm` the organization is deactivated before its rows are read. All of that happens
in short transactions before and after the export's own, which only reads.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zcore import Change, Failed, Finding, Refused, ZopsError
from zcore.crash_points import crash_point
from zcore.database import Database
from zcore.database_errors import READ_ONLY
from zcore.errors import Unreachable
from zcore.frozen import frozen
from zcore.internal_realm import refuse_internal_realm
from zcore.organizations.closing import close_realm, last_turn, lock_realm, reopen_realm
from zcore.organizations.lookup import Realm, find_realm
from zops_export.export_record import ClosedRealm, ExportRecord, Whole, write_record
from zops_export.export_row import (
    UNFINISHED,
    ExportStatus,
    Published,
    RowKey,
    insert_row,
    mark_failed,
    mark_started,
    mark_succeeded,
    requested_row,
    status_of,
)
from zops_export.requested import announce

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import sqlalchemy as sa

    from zcore import Context
    from zops_export.selection import Mode

REASON = "self_hosting_migration"  # why the server says that an export deactivates
PATIENCE_SECONDS = 10.0
BETWEEN_TRIES_SECONDS = 0.5
SECONDS_TO_CONNECT = "3"


@frozen
class ExportOrder:
    """What is written down of an export: whose it is, how much, and does it deactivate?

    `requested` is the number of its row, when somebody asked for it in the web application.
    """

    realm: Realm
    mode: Mode
    deactivates: bool = False
    requested: int | None = None


class Bookkeeping:
    """The database's record of one export, whose work folder is `home`.

    `earlier` are the records of exports that were killed: with `resumes` this one goes on with the
    row of theirs, else they have failed.
    """

    def __init__(
        self,
        context: Context,
        order: ExportOrder,
        home: Path,
        earlier: Sequence[ExportRecord] = (),
        *,
        resumes: bool = False,
    ) -> None:
        self._context = context
        self._order = order
        self._home = home
        self._earlier = [one for one in earlier if one.row.realm_id == order.realm.realm_id]
        self._resumes = resumes
        self._record: ExportRecord | None = None
        self._settled = threading.Lock()

    @property
    def export_id(self) -> int | None:
        """The id of the row in `zerver_realmexport`; None: nothing is written down."""
        return self._record.row.row_id if self._record is not None else None

    @property
    def _realm_id(self) -> int:
        return self._order.realm.realm_id

    def begin(self) -> None:
        """Write that the export was asked for and begins; deactivate the organization if told to.

        Where the database can only be read, one line says that nothing is written down. Raises
        `Refused` when the organization is to be deactivated and cannot be.
        """
        try:
            record = self._request()
        except Refused as error:
            if error.code != READ_ONLY:
                raise
            self._go_without(error)
            return
        crash_point("export-requested")
        with self._context.database.begin() as connection:
            mark_started(connection, record.row, _now())
        crash_point("export-started")

    def _go_without(self, error: Refused) -> None:
        self._record = None
        if self._order.requested is not None:
            raise error
        if self._order.deactivates:
            raise Refused(
                f"cannot deactivate {self._order.realm.string_id!r}: {error.message}",
                hint="use a role that may write, or leave --deactivate-realm out",
                code=READ_ONLY,
            ) from error
        self._context.console.note(
            f"the database will not know of this export, for it can only be read: {error.message}"
        )

    def _request(self) -> ExportRecord:
        ended: tuple[str, ...] | None = None
        with self._context.database.begin() as connection:
            closed = None
            if self._order.deactivates:
                closed, ended = self._close(connection)
            else:
                self._remind(connection)
            self._record = record = ExportRecord(self._row(connection), closed)
            write_record(self._home, record)
        if ended is not None:
            self._tell("realm.deactivated", session_keys=list(ended))
        return record

    def _row(self, connection: sa.Connection) -> RowKey:
        """The row to go on with, or a new one."""
        for one in self._earlier:
            status = status_of(connection, one.row)
            if self._resumes and status in {*UNFINISHED, ExportStatus.FAILED}:
                return one.row
            mark_failed(connection, one.row, _now())
        mode, requested = self._order.mode, self._order.requested
        if requested is not None:
            return requested_row(connection, self._realm_id, requested, mode)
        return insert_row(connection, self._realm_id, mode, _now())

    def _close(self, connection: sa.Connection) -> tuple[ClosedRealm, tuple[str, ...] | None]:
        """Deactivate the organization, unless an export that was killed did.

        The second value are the sessions that this ended; None when it was done before.
        """
        lock_realm(connection, self._realm_id)
        realm = find_realm(connection, f"id:{self._realm_id}")
        refuse_internal_realm(connection, realm)
        if not realm.deactivated:
            done = close_realm(connection, self._realm_id, REASON, _now())
            return ClosedRealm(done.turn, len(done.session_keys), done.emails), done.session_keys
        closed = self._closed_before(connection)
        if closed is None:
            raise is_closed(realm)
        return closed, None

    def _closed_before(self, connection: sa.Connection) -> ClosedRealm | None:
        """What an export that was killed did to the organization, when it is still so."""
        turn = last_turn(connection, self._realm_id)
        closed = (one.closed for one in self._earlier if one.closed is not None)
        return next((one for one in closed if one.turn == turn), None)

    def _remind(self, connection: sa.Connection) -> None:
        """Say so when the organization is still deactivated for an export that was killed."""
        if self._closed_before(connection) is not None:
            string_id = self._order.realm.string_id
            self._context.console.warn(
                f"{string_id!r} is still deactivated, for an export that was killed:"
                f" 'zops realm reactivate {string_id or repr('')}' opens it again"
            )

    def is_whole(self, whole: Whole) -> None:
        """Note that the export only has to get its final name."""
        if self._record is not None:
            self._record = replace(self._record, whole=whole)
            with suppress(Failed):  # there was just room for the export
                write_record(self._home, self._record)

    def go_on_with(self, record: ExportRecord) -> None:
        """It was begun by another run, which was killed."""
        self._record = record

    def succeeded(self, published: Published) -> Finding | None:
        """Write that the export is there; what went wrong with that, since the export is there."""
        if self._record is None:
            return None
        try:
            with self._settled, self._aside() as database, database.begin() as connection:
                mark_succeeded(connection, self._record.row, published, _now())
        except ZopsError as error:
            return Finding(
                "not-written-down",
                f"the database still says that this export is being made: {error.message}",
                where=f"zerver_realmexport {self._record.row.row_id}",
                hint="the export itself is whole",
            )
        crash_point("export-succeeded")
        self._announce()
        return None

    def failed(self) -> None:
        """Write that the export failed, and let the organization be active again.

        Called once; that it cannot be written is a warning, for something else went wrong first.
        """
        if self._record is None or not self._settled.acquire(blocking=False):
            return
        try:
            self._take_back_patiently(self._record)
        except ZopsError as error:
            self._warn_of_what_is_left(self._record, error)

    def _take_back_patiently(self, record: ExportRecord) -> None:
        """A database server that restarts may be what made the export fail, and come again."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._take_back(record)
            except Unreachable:
                if time.monotonic() > give_up or self._context.stop.wait(BETWEEN_TRIES_SECONDS):
                    raise
            else:
                return

    def _take_back(self, record: ExportRecord) -> None:
        reopened = False
        with self._aside() as database, database.begin() as connection:
            if record.closed is not None:
                reopened = self._reopen(connection, record.closed)
            mark_failed(connection, record.row, _now())
        self._announce()
        if reopened and record.closed is not None:
            self._tell("realm.reactivated")
            self._context.console.warn(
                f"the organization {self._order.realm.string_id!r} is active again; what cannot be"
                f" taken back: {record.closed.sessions} login sessions were ended and"
                f" {record.closed.emails} scheduled mails dropped"
            )

    def _reopen(self, connection: sa.Connection, closed: ClosedRealm) -> bool:
        """Activate the organization, unless somebody else has closed or opened it meanwhile."""
        lock_realm(connection, self._realm_id)
        if last_turn(connection, self._realm_id) != closed.turn:
            return False
        reopen_realm(connection, self._realm_id, _now())
        return True

    def _warn_of_what_is_left(self, record: ExportRecord, error: ZopsError) -> None:
        string_id = self._order.realm.string_id
        left = "the database still says that the export is being made"
        if record.closed is not None:
            left += (
                f", and {string_id!r} is still deactivated"
                f" ('zops realm reactivate {string_id or repr('')}' opens it again)"
            )
        self._context.console.warn(f"{left}: {error.message}")

    def _announce(self) -> None:
        if self._order.requested is not None:
            announce(self._context, self._order.realm, self._order.requested)

    def _tell(self, kind: str, **details: object) -> None:
        change = Change(kind, self._realm_id, self._order.realm.string_id, details=details)
        self._context.committed(change)

    @contextmanager
    def _aside(self) -> Iterator[Database]:
        """The database on a connection of its own: a signal stops what is done on the others."""
        url = self._context.database.url
        if self._context.database.dialect == "postgresql":
            url = url.update_query_dict({"connect_timeout": SECONDS_TO_CONNECT})
        with closing(Database(url)) as database:
            yield database


@contextmanager
def written_down(book: Bookkeeping) -> Iterator[None]:
    """While inside, the database says that the export is being made; that it failed, if it does."""
    try:
        book.begin()
        yield
    except BaseException:
        book.failed()
        raise


def is_closed(realm: Realm) -> Refused:
    """Why an organization that is deactivated cannot be deactivated for an export."""
    return Refused(
        f"the organization {realm.string_id!r} is deactivated already",
        hint="leave --deactivate-realm out, and it arrives deactivated where it is imported; or"
        " activate it first with 'zops realm reactivate'",
        code="realm-deactivated",
    )


def _now() -> datetime:
    return datetime.now(UTC)
