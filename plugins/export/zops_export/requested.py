"""Exports that were asked for in the web application, which shows how each of them stands."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore import Change, ZopsError
from zcore.organizations.lookup import find_realm
from zcore.schema.realms import zerver_realmexport
from zops_export.destinations import uploaded_address
from zops_export.export_row import UNFINISHED, ExportStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore import Context
    from zcore.organizations.lookup import Realm
    from zops_export.export_options import ExportOptions


@contextmanager
def failing_request(context: Context, options: ExportOptions) -> Iterator[None]:
    """What goes wrong inside is written down as the end of the export that was asked for."""
    try:
        yield
    except BaseException:
        if options.requested is not None and not options.dry_run:
            with suppress(ZopsError):  # something else went wrong first, and is said
                _fail(context, options.realm, options.requested)
        raise


def _fail(context: Context, reference: str, row_id: int) -> None:
    """Nothing where the row says already how it ended."""
    rows = zerver_realmexport.c
    with context.database.begin() as connection:
        realm = find_realm(connection, reference)
        update = sa.update(zerver_realmexport).where(
            rows.id == row_id, rows.realm_id == realm.realm_id, rows.status.in_(UNFINISHED)
        )
        failed = {"status": int(ExportStatus.FAILED), "date_failed": datetime.now(UTC)}
        changed = connection.execute(update.values(failed)).rowcount
    if changed:
        announce(context, realm, row_id)


def announce(context: Context, realm: Realm, row_id: int) -> None:
    """Tell all plugins that the export `row_id` has ended, well or not."""
    details = {"export_id": row_id, "exports": listed_exports(context, realm)}
    change = Change("realm.export_ended", realm.realm_id, realm.string_id, details=details)
    context.committed(change)


def listed_exports(context: Context, realm: Realm) -> list[dict[str, object]]:
    """The exports of the organization that were asked for in the web application, as it lists them.

    Moments are in seconds since 1970.
    """
    rows = zerver_realmexport.c
    chosen = sa.select(zerver_realmexport).where(
        rows.realm_id == realm.realm_id, rows.acting_user_id.is_not(None)
    )
    with context.database.read() as connection:
        found = connection.execute(chosen.order_by(rows.id)).all()
    return [_listed(context, realm, row) for row in found]


def _listed(context: Context, realm: Realm, row: sa.Row[Any]) -> dict[str, object]:
    url = None
    if row.status == ExportStatus.SUCCEEDED and row.export_path:
        url = uploaded_address(context, realm, row.export_path)
    return {
        "id": row.id,
        "export_time": int(row.date_requested.timestamp()),
        "acting_user_id": row.acting_user_id,
        "export_url": url,
        "deleted_timestamp": _timestamp(row.date_deleted),
        "failed_timestamp": _timestamp(row.date_failed),
        "pending": row.status in UNFINISHED,
        "export_type": row.type,
    }


def _timestamp(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
