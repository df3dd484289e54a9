"""The stages of an export that write rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.codes import AuditEvent
from zcore.schema import tables
from zcore.schema.facts import ExportFile, exported_tables, table_facts
from zops_export.encoding import object_json, row_json
from zops_export.row_files import TableFile
from zops_export.selection import users

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zops_export.export_job import ExportJob

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
    return [(key, [row_query(job, table, condition)]) for key in table_facts(table).keys]


def row_query(job: ExportJob, table: sa.Table, condition: sa.ColumnElement[bool]) -> RowQuery:
    """The JSON of the rows of `table` under `condition`, by ascending id."""
    key = next(iter(table.primary_key))
    row = row_json(table, job.dialect, job.rewrites.replaced(table))
    return sa.select(row).where(condition).order_by(key)


def _user_queries(job: ExportJob) -> list[tuple[str, list[RowQuery]]]:
    """Users three times: ordinary ones, mirror dummies, and the system bots that they meet."""
    ordinary, dummies, bots = table_facts(users).keys
    return [
        (ordinary, [row_query(job, users, job.selection.users_where(dummies=False))]),
        (dummies, [row_query(job, users, job.selection.users_where(dummies=True))]),
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
        row_query(job, table, condition),
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
                rows = row_query(job, table, job.selection.where(table))
                job.advance(rows=target.write_rows(table.name, reader, rows))
        target.close()
    job.rows["analytics"] = target.rows
    return {"rows": sum(target.rows.values())}
