"""Going on with an export that was killed when it had its final name already: little is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Result
from zops_export.bookkeeping import Bookkeeping, ExportOrder
from zops_export.claimed_folder import work_folder_of
from zops_export.destinations import Destination
from zops_export.export_job import rows_by_table
from zops_export.export_record import read_record
from zops_export.export_row import Published
from zops_export.manifest import MANIFEST
from zops_export.summary_stages import stats_of
from zops_export.work_folder import WorkFolder

if TYPE_CHECKING:
    from pathlib import Path

    from zcore import Context
    from zops_export.export_record import ExportRecord


def is_published(order: ExportOrder, target: Destination) -> bool:
    """Is there a whole export, whose end the database does not know of?

    Only of folders and archives here: elsewhere somebody else could have put something.
    """
    if type(target) is not Destination:
        return False
    record = read_record(work_folder_of(target.target))
    return record is not None and _is_of(record, order, target.target)


def _is_of(record: ExportRecord, order: ExportOrder, target: Path) -> bool:
    if record.whole is None or record.row.realm_id != order.realm.realm_id:
        return False
    if target.is_file():
        return target.stat().st_size == record.whole.size
    return (target / MANIFEST).is_file()


def finish(context: Context, order: ExportOrder, target: Destination) -> Result:
    """Write down that the export is there, and tidy up. Raises what a work folder raises."""
    work = WorkFolder(target.target, resume=True)
    try:
        if work.earlier is None or work.earlier.whole is None:
            raise LookupError(f"{work.home} has lost its record")
        whole, book = work.earlier.whole, Bookkeeping(context, order, work.home)
        book.go_on_with(work.earlier)
        finding = book.succeeded(Published(whole.size, whole.sha256, stats_of(whole.rows)))
    except BaseException:
        work.leave()
        raise
    work.remove()
    data: dict[str, object] = {
        "path": target.path,
        "url": None,
        "realm": order.realm.string_id,
        "mode": order.mode.label,
        "rows": rows_by_table(whole.rows),
        "files": whole.files,
        "bytes": whole.size,
        "sha256": whole.sha256,
        "seconds": 0.0,
        "stages": [],
        "export_id": book.export_id,
    }
    text = f"{target.path} was whole already, and is written down now\nsha256 {whole.sha256}"
    return Result(data, text, (finding,) if finding is not None else ())
