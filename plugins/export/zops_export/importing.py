"""One import, from the command's options to the commit."""

from __future__ import annotations

import time

from zcore import Change, Context, Result
from zcore.pipeline import MemoryJournal, in_order, run
from zcore.validation import Subjects, require_valid
from zops_export.checking import check_export, check_index
from zops_export.export_index import ExportIndex, read_index
from zops_export.export_source import ExportSource, opened
from zops_export.import_job import ImportJob, ImportOptions, refuse_if_problems
from zops_export.known_schema import require_known_schema

RESERVED_FLAG = "--allow-reserved-subdomain"


def import_realm(context: Context, options: ImportOptions) -> Result:
    """Import one organization: whole, or not at all.

    Raises `Refused` before anything is written; whatever is raised later has been taken back.
    """
    started = time.monotonic()
    _check_names(context, options)
    stages = in_order(context.plugins.stages("zops_import_stages"))
    with opened(options.path, context.stop.check) as source:
        index = read_index(source, context.stop.check)
        refuse_if_problems(source.path, check_index(source, index))
        if options.dry_run:
            return _plan(context, source, index, options)
        files = context.files
        job: ImportJob | None = None
        try:
            stopping = context.stop.calling(context.database.cancel)
            with stopping, context.database.writer() as writer:
                job = ImportJob(context, options, source, index, writer, files)
                job.findings.extend(require_known_schema(writer.connection))
                run(stages, job, MemoryJournal(), may_go_on=job.may_go_on)
                job.may_go_on()
        except BaseException:
            if job is not None:
                job.take_back()
            raise
    context.committed(Change("realm.imported", job.realm_id, options.subdomain))
    return _result(job, time.monotonic() - started)


def _check_names(context: Context, options: ImportOptions) -> None:
    subjects: Subjects = {
        "realm.subdomain": [options.subdomain],
        "realm.name": [] if options.name is None else [options.name],
    }
    require_valid(
        context,
        "cannot import the organization",
        subjects,
        allow=frozenset([RESERVED_FLAG] if options.allow_reserved_subdomain else []),
        dry_run=options.dry_run,
    )


def _plan(
    context: Context, source: ExportSource, index: ExportIndex, options: ImportOptions
) -> Result:
    """What would be imported, after checking all of it."""
    checked = check_export(source, index, context.stop.check)
    refuse_if_problems(source.path, checked.notes)
    rows = dict(sorted(index.counts.items()))
    data = {
        "dry_run": True,
        "string_id": options.subdomain,
        "rows": rows,
        "files": len(index.records),
    }
    text = (
        f"would import {index.realm.get('name')!r} as {options.subdomain!r}:"
        f" {sum(rows.values()):,} rows and {len(index.records):,} files"
    )
    return Result(data, text, tuple(checked.findings))


def _result(job: ImportJob, seconds: float) -> Result:
    rows = {table: count for table, count in sorted(job.written.items()) if count}
    data = {
        "realm_id": job.realm_id,
        "string_id": job.options.subdomain,
        "rows": rows,
        "files": job.file_count,
        "soft_references": dict(sorted(job.notes.soft.items())),
        "seconds": round(seconds, 3),
    }
    text = (
        f"imported {job.options.subdomain!r} (id {job.realm_id}): {sum(rows.values()):,} rows and"
        f" {job.file_count:,} files in {seconds:.1f} s"
    )
    return Result(data, text, tuple(job.findings))
