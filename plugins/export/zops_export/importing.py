"""One import, from the command's options to the commit."""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from zcore import Change, Context, Result
from zcore.journal import MemoryJournal
from zcore.pipeline import run
from zcore.stage_graph import StageGraph
from zcore.stage_progress import stage_progress
from zops_export.after_import import tell_services
from zops_export.export_source import opened
from zops_export.import_job import ImportJob, ImportOptions
from zops_export.import_plan import plan_of
from zops_export.known_schema import require_known_schema
from zops_export.looking import looked_through

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from zcore.rows_in import Writer


def import_realm(context: Context, options: ImportOptions) -> Result:
    """Import one organization: whole, or not at all.

    Raises `Refused` before anything is written; whatever is raised later has been taken back.
    """
    started = time.monotonic()
    if options.dry_run:
        with _prepared(context, options) as (job, graph):
            return plan_of(job, graph)
    job = import_whole(context, options)
    tell_services(context, job)
    context.committed(Change("realm.imported", job.realm_id, options.subdomain))
    return _result(job, time.monotonic() - started)


def import_whole(context: Context, options: ImportOptions) -> ImportJob:
    """The same without telling anybody: what was imported, after the commit."""
    with _prepared(context, options) as (job, graph):
        _write(job, graph)
    return job


@contextmanager
def _prepared(context: Context, options: ImportOptions) -> Iterator[tuple[ImportJob, StageGraph]]:
    """The job and its stages, with the export opened and looked at. Raises `Refused`."""
    graph = StageGraph.of(context.plugins.stages("zops_import_stages"), context.plugins.provider)
    with opened(options.path, context.stop.check) as source:
        looked = looked_through(context, options, source)
        yield ImportJob(context, options, source, looked), graph


def _write(job: ImportJob, graph: StageGraph) -> None:
    """Run the stages in one transaction; when it does not come to its commit, take files back."""
    context, files = job.context, job.context.files
    label = f"importing {job.options.subdomain!r}"
    try:
        stopping = context.stop.calling(context.database.cancel)
        with stopping, context.database.writer() as writer, _alone(job, writer):
            job.begin(writer, files)
            job.findings.extend(require_known_schema(writer.connection))
            with stage_progress(context.console, label, graph) as job.progress:
                run(graph, job, MemoryJournal(), context.plugins, job.progress)
            job.may_go_on()
    except BaseException:
        job.take_back()
        raise


def _alone(job: ImportJob, writer: Writer) -> AbstractContextManager[None]:
    """The big tables for this import alone, when that is asked for."""
    from zops_export.import_exclusive import tables_for_us_alone

    if job.options.exclusive:
        return tables_for_us_alone(job.context.database, writer.connection)
    return nullcontext()


def _result(job: ImportJob, seconds: float) -> Result:
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
