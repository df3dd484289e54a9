"""One import, from the command's options to the commit."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zcore import Context, Result
from zcore.stage_graph import StageGraph
from zops_export.destroying import find_doomed, require_confirmation
from zops_export.export_source import opened
from zops_export.import_job import ImportJob, ImportOptions
from zops_export.import_journal import ImportJournal
from zops_export.import_plan import plan_of
from zops_export.import_writing import write, write_and_finish, written_down
from zops_export.looking import looked_through

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zops_export.import_journal import Entry


def import_realm(
    context: Context,
    options: ImportOptions,
    earlier: Entry | None = None,
    *,
    confirmed: bool = False,
) -> Result:
    """Import one organization: whole, or not at all.

    `earlier` is what the journal knows of a run of this import that was not finished; `confirmed`:
    that everything else is destroyed needs no question. Raises `Refused` before anything is
    written; whatever is raised later has been taken back, or stays in the journal, which is said.
    """
    started = time.monotonic()
    with prepared(context, options, resumed=earlier is not None) as (job, graph):
        if options.dry_run:
            return plan_of(job, graph)
        if options.destroy is not None and earlier is None:
            require_confirmation(context, options.destroy, confirmed=confirmed)
        write_and_finish(job, graph, earlier)
    return result_of(job, time.monotonic() - started)


def import_whole(context: Context, options: ImportOptions) -> ImportJob:
    """The same without telling anybody: what was imported, after the commit."""
    with prepared(context, options) as (job, graph):
        write(job, graph, written_down(job))
    return job


@contextmanager
def prepared(
    context: Context, options: ImportOptions, *, resumed: bool = False
) -> Iterator[tuple[ImportJob, StageGraph]]:
    """The job and its stages, with the export opened and looked at. Raises `Refused`.

    An earlier import that was not finished is in the way, unless this one is its second run.
    """
    if not resumed and (database := context.existing_database) is not None:
        ImportJournal(database).require_none(options.subdomain)
    graph = StageGraph.of(context.plugins.stages("zops_import_stages"), context.plugins.provider)
    with opened(options.path, context.stop.check) as source:
        looked = looked_through(context, options, source)
        if options.destroy is not None and (database := context.existing_database) is not None:
            with database.read() as connection:
                find_doomed(connection, options.destroy)
        yield ImportJob(context, options, source, looked), graph


def result_of(job: ImportJob, seconds: float) -> Result:
    """What is said of an import that is complete."""
    from zops_export.import_report import report_of

    report = report_of(job)
    rows = {table: count for table, count in sorted(job.written.items()) if count}
    data = {
        "realm_id": job.realm_id,
        "string_id": job.options.subdomain,
        "rows": rows,
        "files": job.file_count,
        "soft_references": dict(sorted(job.notes.soft.items())),
        "seconds": round(seconds, 3),
        "report": report.as_data(),
    }
    text = (
        f"imported {job.options.subdomain!r} (id {job.realm_id}): {sum(rows.values()):,} rows and"
        f" {job.file_count:,} files in {seconds:.1f} s\n\n{report.as_text()}"
    )
    return Result(data, text, (*job.looked.findings(), *job.findings))
