"""What the stages of an export may have to do: guesses, for the time left on a terminal.

They have to cost next to nothing, so nothing is counted: PostgreSQL is asked what its planner
expects, SQLite for the highest ids. `zops export --dry-run` counts (`export_estimates`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore import Estimate
from zcore.schema import tables
from zcore.schema.facts import ExportFile, exported_tables, table_facts
from zops_export.selection import attachments, messages, user_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zops_export.export_job import ExportJob
    from zops_export.selection import Selection

# Which stage writes a file of the export.
STAGES = {
    ExportFile.MESSAGES: "messages",
    ExportFile.REALM: "realm",
    ExportFile.ANALYTICS: "analytics",
    ExportFile.ATTACHMENT: "attachments",
}
LARGE = 1000  # rows; a smaller table makes no difference


def expected_work(job: ExportJob) -> dict[str, Estimate]:
    """What the stages that write rows, and the one that copies uploads, may have to do."""
    with job.read() as reader:
        rows = guessed_rows(reader.connection, job.selection)
    by_stage: dict[str, int] = defaultdict(int)
    for name, count in rows.items():
        file = table_facts(tables[name]).file
        if file in STAGES:
            by_stage[STAGES[file]] += count
    expected = {stage: Estimate(rows=count) for stage, count in by_stage.items()}
    return expected | {"uploads": Estimate(files=rows.get(attachments.name, 0))}


def guessed_rows(connection: sa.Connection, selection: Selection) -> dict[str, int]:
    """About how many rows of each table an export takes."""
    sqlite = connection.dialect.name == "sqlite"
    return _guessed_sqlite(connection) if sqlite else _guessed_postgresql(connection, selection)


def _carried() -> list[sa.Table]:
    return [table for table in exported_tables(dict(tables)) if table_facts(table).keys]


def _guessed_postgresql(connection: sa.Connection, selection: Selection) -> dict[str, int]:
    """Rows by table: of large ones what the planner expects, of others all there are."""
    catalogue = sa.table("pg_class", sa.column("relname"), sa.column("reltuples"))
    names = [table.name for table in _carried()]
    query = sa.select(catalogue.c.relname, catalogue.c.reltuples)
    found = connection.execute(query.where(catalogue.c.relname.in_(names))).all()
    held = {name: int(count) for name, count in found}
    guessed = {
        name: _planned(connection, tables[name], selection)
        if not 0 <= count < LARGE and name != user_messages.name
        else count
        for name, count in held.items()
    }
    guessed[user_messages.name] = _in_proportion(held, guessed)
    return guessed


def _planned(connection: sa.Connection, table: sa.Table, selection: Selection) -> int:
    # what a planner makes of the conditions on messages is far off: all of the realm is nearer
    in_realm = messages.c.realm_id == selection.realm_id
    condition = in_realm if table is messages else selection.where(table)
    query: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table).where(condition)
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}").scalars().one()
    return int(plan["Plan"]["Plan Rows"])


def _in_proportion(held: Mapping[str, int], guessed: Mapping[str, int]) -> int:
    """User messages: as many of them as of the messages they belong to."""
    all_messages = held.get(messages.name, 0)
    share = guessed.get(messages.name, 0) / all_messages if all_messages > 0 else 1
    return round(max(0, held.get(user_messages.name, 0)) * min(share, 1))


def _guessed_sqlite(connection: sa.Connection) -> dict[str, int]:
    """Rows by table: as many as there are ids, which is right for a file with one realm."""
    columns: list[sa.ColumnElement[Any]] = []
    for table in _carried():
        (key,) = table.primary_key
        span = sa.select(sa.func.coalesce(sa.func.max(key) - sa.func.min(key) + 1, 0))
        columns.append(span.scalar_subquery().label(table.name))
    return dict(connection.execute(sa.select(*columns)).mappings().one())
