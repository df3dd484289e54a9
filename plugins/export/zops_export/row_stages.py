"""The stages of an export that write rows."""

from __future__ import annotations

from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.codes import AuditEvent
from zcore.schema import tables
from zcore.schema.facts import ExportFile, exported_tables, table_facts
from zops_export.encoding import object_json, row_json
from zops_export.row_files import TableFile
from zops_export.selection import attachments, messages, user_messages, users

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zops_export.export_job import ExportJob

MESSAGES_IN_A_FILE = 1000

RowQuery = sa.Select[str]


def write_realm(job: ExportJob) -> dict[str, int]:
    """`realm.json`: all tables of the organization but those that have files of their own."""
    with job.open("realm.json") as file, job.read() as reader:
        target = TableFile(file)
        for table in exported_tables(dict(tables)):
            if table_facts(table).file is not ExportFile.REALM:
                continue
            for key, queries in _realm_queries(job, table):
                job.may_go_on()
                job.advance(rows=target.write_rows(key, reader, *queries))
        target.close()
    job.rows["realm"] = target.rows
    return {"rows": sum(target.rows.values())}


def _realm_queries(job: ExportJob, table: sa.Table) -> Iterable[tuple[str, list[RowQuery]]]:
    """The keys that `table` has in realm.json, each with the queries for its rows."""
    if table is users:
        return _user_queries(job)
    if table.name == "zerver_realmauditlog":
        return [(table.name, _audit_queries(job, table))]
    condition = job.selection.where(table)
    return [(key, [_rows(job, table, condition)]) for key in table_facts(table).keys]


def _rows(job: ExportJob, table: sa.Table, condition: sa.ColumnElement[bool]) -> RowQuery:
    key = next(iter(table.primary_key))
    row = row_json(table, job.dialect, job.rewrites.replaced(table))
    return sa.select(row).where(condition).order_by(key)


def _user_queries(job: ExportJob) -> list[tuple[str, list[RowQuery]]]:
    """Users three times: ordinary ones, mirror dummies, and the system bots that they meet."""
    ordinary, dummies, bots = table_facts(users).keys
    return [
        (ordinary, [_rows(job, users, job.selection.users_where(dummies=False))]),
        (dummies, [_rows(job, users, job.selection.users_where(dummies=True))]),
        (bots, [_bot_row(bot.email, bot.user_id, bot.recipient_id) for bot in job.selection.bots]),
    ]


def _bot_row(email: str, user_id: int, recipient_id: int) -> RowQuery:
    text = f'{{"email": "{email}", "id": {user_id}, "recipient_id": {recipient_id}}}'
    return sa.select(sa.literal(text))


def _audit_queries(job: ExportJob, table: sa.Table) -> list[RowQuery]:
    """The audit log, with the mark of a Zulip export.

    The server's importer takes an export for a foreign one, and fails at its end, unless the log
    says that the realm was exported. The server writes that row only after the export, so its
    first export lacks it; ours always has one.
    """
    condition = job.selection.where(table)
    marks = sa.exists().where(condition, table.c.event_type == AuditEvent.REALM_EXPORTED)
    highest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1).where(condition)
    mark = {
        "id": sa.cast(highest.scalar_subquery(), sa.Text),
        "event_time": _now(job.dialect),
        "event_type": sa.literal_column(f"'{AuditEvent.REALM_EXPORTED:d}'"),
        "realm": sa.literal_column(f"'{job.realm.realm_id}'"),
        "backfilled": sa.literal_column("'false'"),
        "extra_data": sa.literal_column("'{}'"),
    }
    nothing: sa.ColumnElement[str] = sa.literal_column("'null'")
    empty = {key: nothing for key in _keys(table) if key not in mark}
    return [
        _rows(job, table, condition),
        sa.select(object_json(mark | empty)).where(sa.not_(marks)),
    ]


def _keys(table: sa.Table) -> list[str]:
    from zcore.schema.facts import row_keys

    return row_keys(table)


def _now(dialect: str) -> sa.ColumnElement[str]:
    """The moment, in seconds since 1970, as text."""
    if dialect == "sqlite":
        return sa.cast(sa.func.strftime("%s", "now"), sa.Text).op("||")(sa.literal(".0"))
    return sa.cast(sa.extract("epoch", sa.func.now()), sa.Text)


def write_analytics(job: ExportJob) -> dict[str, int]:
    """`analytics.json`: the realm's statistics."""
    with job.open("analytics.json") as file, job.read() as reader:
        target = TableFile(file)
        for table in exported_tables(dict(tables)):
            if table_facts(table).file is ExportFile.ANALYTICS:
                job.may_go_on()
                rows = _rows(job, table, job.selection.where(table))
                job.advance(rows=target.write_rows(table.name, reader, rows))
        target.close()
    job.rows["analytics"] = target.rows
    return {"rows": sum(target.rows.values())}


def write_attachments(job: ExportJob) -> dict[str, int]:
    """`attachment.json`: uploads that exported messages link to, without those that are lost."""
    condition = sa.and_(
        job.selection.where(attachments), attachments.c.path_id.not_in(job.missing_uploads)
    )
    links = {
        "messages": _linked(
            job, "zerver_attachment_messages", "message_id", job.selection.message_ids()
        ),
        "scheduled_messages": _linked(
            job,
            "zerver_attachment_scheduled_messages",
            "scheduledmessage_id",
            job.selection.scheduled_ids(),
        ),
    }
    row = row_json(attachments, job.dialect, job.rewrites.replaced(attachments) | links)
    query = sa.select(row).where(condition).order_by(attachments.c.id)
    with job.open("attachment.json") as file, job.read() as reader:
        target = TableFile(file)
        job.advance(rows=target.write_rows(attachments.name, reader, query))
        target.close()
    job.rows["attachment"] = target.rows
    return {"rows": sum(target.rows.values())}


def _linked(
    job: ExportJob, link_table: str, column: str, exported: sa.Select[int]
) -> sa.ColumnElement[str]:
    """The ascending list of the exported rows that an attachment is linked to, as JSON."""
    link = tables[link_table]
    ids = (
        sa.select(link.c[column].label("id"))
        .where(link.c.attachment_id == attachments.c.id, link.c[column].in_(exported))
        .order_by(link.c[column])
        .correlate(attachments)
        .subquery()
    )
    text = sa.cast(ids.c.id, sa.Text)
    aggregate = sa.func.group_concat if job.dialect == "sqlite" else sa.func.string_agg
    listed = sa.select(aggregate(text, sa.literal(", "))).select_from(ids).scalar_subquery()
    inside = sa.func.coalesce(listed, sa.literal(""))
    return sa.literal("[").op("||")(inside).op("||")(sa.literal("]"))


@dataclass(frozen=True, slots=True)
class MessageFile:
    """One message file: its number from 1, and the ids of its messages, ascending."""

    number: int
    ids: Sequence[int]

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return f"messages-{self.number:06d}"

    def holds(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        """Is it one of the messages? The range leads even a database without statistics to its
        index; where other messages lie in between, each id has to be named too.
        """
        first, last = self.ids[0], self.ids[-1]
        within = column.between(first, last)
        if last - first + 1 == len(self.ids):
            return within
        return sa.and_(within, column.in_(self.ids))


def write_messages(job: ExportJob) -> dict[str, int]:
    """The message files, a thousand messages each, with the user messages that belong to them."""
    files = _message_files(job)
    with ThreadPoolExecutor(job.readers, thread_name_prefix="zops-messages") as pool:
        futures = [pool.submit(_write_message_file, job, file) for file in files]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    counts = [job.rows[file.name] for file in files]
    return {"rows": sum(sum(rows.values()) for rows in counts), "files": len(files)}


def _message_files(job: ExportJob) -> list[MessageFile]:
    """Which messages each file holds: asked once, because the rules look at many tables."""
    ids = array("q")
    query = (
        sa.select(sa.cast(messages.c.id, sa.Text))
        .where(job.selection.message_condition())
        .order_by(messages.c.id)
    )
    with job.read() as reader:
        reader.copy_out(query, lambda block: ids.extend(map(int, block.split())))
    starts = range(0, len(ids), MESSAGES_IN_A_FILE)
    return [
        MessageFile(number, ids[start : start + MESSAGES_IN_A_FILE])
        for number, start in enumerate(starts, start=1)
    ]


def _write_message_file(job: ExportJob, part: MessageFile) -> None:
    job.may_go_on()
    rows = _rows(job, messages, part.holds(messages.c.id))
    owned = _rows(
        job,
        user_messages,
        sa.and_(part.holds(user_messages.c.message_id), job.selection.user_message_owner()),
    )
    with job.open(f"{part.name}.json") as file, job.read() as reader:
        target = TableFile(file)
        target.write_rows(messages.name, reader, rows)
        target.write_rows(user_messages.name, reader, owned)
        target.close()
    job.rows[part.name] = target.rows
    job.advance(rows=sum(target.rows.values()))
