"""The stage of an export that writes the rows of uploads, with what they are linked to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from zcore.schema import tables
from zops_export.encoding import row_json
from zops_export.row_files import TableFile
from zops_export.selection import attachments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zops_export.export_job import ExportJob
    from zops_export.row_stages import RowQuery

BETWEEN_IDS = ", "
Ids = sa.Select[int]


def write_attachments(job: ExportJob) -> dict[str, int]:
    """`attachment.json`: uploads that exported messages link to, without those that are lost."""
    with job.open("attachment.json") as file, job.read() as reader:
        target = TableFile(file)
        job.advance(rows=target.write_rows(attachments.name, reader, _attachments(job)))
        target.close()
    job.rows["attachment"] = target.rows
    return {"rows": sum(target.rows.values())}


def _attachments(job: ExportJob) -> RowQuery:
    source: sa.FromClause = attachments
    lists: dict[str, sa.ColumnElement[str]] = {}
    for key, column, exported in _links(job):
        ids: sa.ColumnElement[str]
        if job.dialect == "sqlite":
            ids = _ids_of_one(column, exported)
        else:
            grouped = _ids_of_all(column, exported)
            source = source.outerjoin(grouped, grouped.c.attachment_id == attachments.c.id)
            ids = grouped.c.ids
        inside = sa.func.coalesce(ids, sa.literal(""))
        lists[key] = sa.literal("[").op("||")(inside).op("||")(sa.literal("]"))
    row = row_json(attachments, job.dialect, job.rewrites.replaced(attachments) | lists)
    condition = sa.and_(job.selection.where(attachments), _not_lost(job))
    return sa.select(row).select_from(source).where(condition).order_by(attachments.c.id)


def _not_lost(job: ExportJob) -> sa.ColumnElement[bool]:
    """Attachments whose files were copied. The lost ones go as one value: they may be very many."""
    if not job.missing_uploads:
        return sa.true()
    listed = sa.literal(json.dumps(sorted(job.missing_uploads)))
    if job.dialect == "sqlite":
        paths = sa.func.json_each(listed).table_valued("value").c.value
    else:
        paths = sa.func.json_array_elements_text(sa.cast(listed, sa.JSON)).column_valued("path")
    return attachments.c.path_id.not_in(sa.select(paths))


def _links(job: ExportJob) -> Iterable[tuple[str, sa.Column[int], Ids]]:
    """The lists of an attachment's row: key, the column with the ids, those that are exported."""
    in_messages = tables["zerver_attachment_messages"]
    in_scheduled = tables["zerver_attachment_scheduled_messages"]
    scheduled_ids = job.selection.scheduled_ids()
    yield "messages", in_messages.c.message_id, job.selection.message_ids()
    yield "scheduled_messages", in_scheduled.c.scheduledmessage_id, scheduled_ids


def _ids_of_all(column: sa.Column[int], exported: Ids) -> sa.Subquery:
    """For PostgreSQL, the ascending `ids` by `attachment_id`.

    It would look through all messages again for each attachment, if it was asked for each.
    """
    owner = column.table.c.attachment_id
    between = aggregate_order_by(sa.literal(BETWEEN_IDS), column)
    listed = sa.func.string_agg(sa.cast(column, sa.Text), between).label("ids")
    return sa.select(owner, listed).where(column.in_(exported)).group_by(owner).subquery()


def _ids_of_one(column: sa.Column[int], exported: Ids) -> sa.ScalarSelect[str]:
    """For SQLite, which orders nothing within a group, the ascending ids of an attachment."""
    ids = (
        sa.select(column.label("id"))
        .where(column.table.c.attachment_id == attachments.c.id, column.in_(exported))
        .order_by(column)
        .correlate(attachments)
        .subquery()
    )
    listed = sa.func.group_concat(sa.cast(ids.c.id, sa.Text), sa.literal(BETWEEN_IDS))
    return sa.select(listed).select_from(ids).scalar_subquery()
