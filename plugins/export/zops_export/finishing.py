"""Going on with an export that was killed when it had its final name already: little is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Result
from zops_export.bookkeeping import Bookkeeping, ExportOrder
from zops_export.claimed_folder import work_folder_of
from zops_export.export_job import rows_by_table
from zops_export.export_record import read_record
from zops_export.export_row import Published
from zops_export.summary_stages import stats_of
from zops_export.work_folder import WorkFolder

if TYPE_CHECKING:
    from zcore import Context
    from zops_export.destinations import Destination


def is_published(order: ExportOrder, target: Destination) -> bool:
    """Is there a whole export, whose end the database does not know of?"""
    record = read_record(work_folder_of(target.target))
    if record is None or record.whole is None:
        return False
    return record.row.realm_id == order.realm.realm_id and target.holds(record.whole.size)


def finish(context: Context, order: ExportOrder, target: Destination) -> Result:
    """Write down that the export is there, and tidy up. Raises what a work folder raises."""
    work = WorkFolder(target.target, resume=True)
    try:
        if work.earlier is None or work.earlier.whole is None:
            raise LookupError(f"{work.home} has lost its record")
        whole, book = work.earlier.whole, Bookkeeping(context, order, work.home)
        book.go_on_with(work.earlier)
        finding = book.succeeded(
            Published(whole.size, whole.sha256, stats_of(whole.rows), target.export_path)
        )
    except BaseException:
        work.leave()
        raise
    target.ended(published=True)
    work.remove()
    data: dict[str, object] = {
        "path": target.path,
        "url": target.url,
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
    place = target.url or target.path
    text = f"{place} was whole already, and is written down now\nsha256 {whole.sha256}"
    return Result(data, text, (finding,) if finding is not None else ())
