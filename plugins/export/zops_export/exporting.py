"""One export, from the command's options to a finished folder or archive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import Context, ExportRequest, Refused, Result
from zcore.organizations.lookup import Realm, find_realm
from zcore.pipeline import run
from zcore.stage_graph import StageGraph
from zcore.stage_progress import stage_progress
from zcore.stage_timing import timing_table
from zcore.validation import require_valid
from zops_export.backups import Backup
from zops_export.claimed_folder import remove_leftovers
from zops_export.destinations import Destination, destination
from zops_export.expected_work import expected_work
from zops_export.export_job import ExportJob
from zops_export.export_journal import ExportJournal
from zops_export.extras import chosen, require_known
from zops_export.known_schema import known_schema
from zops_export.manifest import write_manifest
from zops_export.ordered_work import waiting_for
from zops_export.other_columns import not_exported, other_columns
from zops_export.owners import warn_root
from zops_export.privacy import Privacy, strictly
from zops_export.rewrite_checks import require_usable
from zops_export.rewrites import Rewrites, read_rewrites
from zops_export.selection import Selection
from zops_export.server_version import find_server_version
from zops_export.system_bots import find_system_bots
from zops_export.usable import require_owner
from zops_export.work_folder import WorkFolder

if TYPE_CHECKING:
    from zcore.rows_out import Reader, Snapshot
    from zops_export.drafts import Draft
    from zops_export.export_options import ExportOptions


def export_realm(context: Context, options: ExportOptions) -> Result:
    """Export one realm. Raises `Refused` before anything is written, else what the stages raise."""
    with context.stop.calling(context.database.cancel):
        return _export(context, options)


def _export(context: Context, options: ExportOptions) -> Result:
    started = time.monotonic()
    stages, given = context.plugins.export_stages()
    require_known(options.extras, [*stages, *given])
    graph = StageGraph.of(chosen(stages, options.extras), context.plugins.provider)
    wanted = chosen(given, options.extras)
    rewrites = read_rewrites(context.plugins, wanted, context.database.dialect)
    with context.database.snapshot(options.threads) as snapshot:
        with snapshot.reader() as reader:
            job = _prepare(context, options, rewrites, snapshot, reader)
        job.stages = graph.stages
        moment = datetime.now(UTC)
        target = _destination(context, options, job.realm, moment)
        backup = Backup.of(options, job, target.target)
        _check_request(context, options, job.realm, target)
        with snapshot.reader() as reader:
            require_usable(reader.connection, rewrites, job.selection)
            require_owner(reader.connection, job, allow_unusable=options.allow_unusable)
        warn_root(context, target.target)
        if options.dry_run:
            return _plan(job, graph, target, backup)
        # Refuses here when the place of the files is not known.
        waiting_for(lambda: context.files, context.stop.check)
        with _draft(job, options, target):
            label = f"exporting {job.realm.string_id!r}"
            expected = partial(expected_work, job)
            with stage_progress(context.console, label, graph, expected) as job.progress:
                run(
                    graph,
                    job,
                    job.journal,
                    context.plugins,
                    job.progress,
                    threads=snapshot.readers,
                )
            job.reports.extend(job.journal.reports)
            write_manifest(job)
            job.may_go_on()
            digest = job.draft.publish()
    seconds = time.monotonic() - started
    context.console.report(timing_table(job.reports, seconds))
    result = _result(job, target, digest, seconds)
    return result if backup is None else backup.finish(context, result, moment)


def _prepare(
    context: Context,
    options: ExportOptions,
    rewrites: Rewrites,
    snapshot: Snapshot,
    reader: Reader,
) -> ExportJob:
    """The job, once it is known what it is about. Raises `Refused` when there is no such realm."""
    differences = known_schema(reader.connection)
    realm = find_realm(reader.connection, options.realm)
    bots = find_system_bots(reader.connection, realm.string_id)
    selection = Selection(realm.realm_id, options.mode, bots, rewrites.conditions)
    server = find_server_version(
        reader.connection, context.settings.deployments, options.zulip_version
    )
    if options.privacy is Privacy.STRICT:
        selection, rewrites = strictly(selection, rewrites)
    added = other_columns(differences, rewrites.dialect, options.privacy)
    rewrites = replace(rewrites, added=added)
    job = ExportJob(context, realm, selection, rewrites, snapshot, server, options.privacy)
    job.fail_on_missing_file = options.on_missing_file == "fail"
    job.findings.extend([*not_exported(differences, options.privacy), *server.findings()])
    return job


def _destination(
    context: Context, options: ExportOptions, realm: Realm, moment: datetime
) -> Destination:
    """Where the export goes."""
    name = options.name.fill(realm.string_id, moment)
    output: Path | str | None = options.output
    if output is not None:
        output = name if isinstance(output, str) else Path(name)
    return destination(context, realm, output, name, upload=options.upload, resume=options.resume)


def _check_request(
    context: Context, options: ExportOptions, realm: Realm, target: Destination
) -> None:
    mode = options.mode.name.lower()
    request = ExportRequest(
        realm.realm_id, realm.string_id, mode, target.path, upload=options.upload
    )
    require_valid(
        context,
        f"cannot export {realm.string_id!r}",
        {"export.request": [request]},
        realm_id=realm.realm_id,
        dry_run=options.dry_run,
    )
    target.require_free()


@contextmanager
def _draft(job: ExportJob, options: ExportOptions, target: Destination) -> Iterator[None]:
    """What the job writes to, while inside. When it fails, that goes, or stays for later."""
    if options.name.times:  # such an export cannot be resumed: its name is another each time
        for path in remove_leftovers(
            target.target.parent, options.name.name.glob(job.realm.string_id)
        ):
            job.context.console.note(f"removed {path}, which an export that was killed had left")
    about = {
        "realm": job.realm.string_id,
        "made": job.realm.date_created.isoformat(),
        "mode": job.selection.mode.label,
        "privacy": job.privacy.value,
    }
    target.prepare()
    work = WorkFolder(target.target, resume=options.resume)
    draft = _draft_in(work, job, target, resume=options.resume)
    try:
        with closing(ExportJournal(work.home, draft, about, job.add_finding)) as journal:
            job.begin(draft, journal)
            yield
        target.ended(published=True)
    except BaseException as error:
        if not options.resume:
            draft.remove()
            target.ended(published=False)
            raise
        draft.leave()
        if not isinstance(error, Refused):
            job.context.console.note("what was done is kept: go on with the same command")
        raise


def _draft_in(work: WorkFolder, job: ExportJob, target: Destination, *, resume: bool) -> Draft:
    try:
        return target.draft(work, job.may_go_on, resume=resume)
    except BaseException:
        work.leave()
        raise


def _result(job: ExportJob, target: Destination, digest: str, seconds: float) -> Result:
    rows = job.rows_by_table()
    files = sum(counts.get("files", 0) for counts in _file_counts(job))
    data = {
        "path": target.path,
        "url": target.url,
        "realm": job.realm.string_id,
        "mode": job.selection.mode.label,
        "privacy": job.privacy.value,
        "rows": rows,
        "files": files,
        "bytes": job.draft.size,
        "sha256": digest,
        "seconds": round(seconds, 3),
        "stages": [report.as_data() for report in job.reports],
    }
    text = (
        f"exported {job.realm.string_id!r}: {sum(rows.values()):,} rows and {files:,} files,"
        f" {job.draft.size / 1e6:,.1f} MB in {seconds:.1f} s\n{target.url or target.path}"
        f"\nsha256 {digest}"
    )
    return Result(data, text, tuple(job.findings))


def _file_counts(job: ExportJob) -> list[dict[str, int]]:
    return [dict(report.counts) for report in job.reports if "bytes" in report.counts]


def _plan(job: ExportJob, graph: StageGraph, target: Destination, backup: Backup | None) -> Result:
    """What an export would take, counted in the snapshot; nothing is written."""
    from zcore.stage_plan import make_plan, plan_table
    from zops_export.counting import count_rows

    with job.read() as reader:
        job.expected_rows = count_rows(reader.connection, job.selection)
    plan = make_plan(graph, job, job.context.plugins)
    data = {
        "dry_run": True,
        "path": target.path,
        "realm": job.realm.string_id,
        "mode": job.selection.mode.label,
        "privacy": job.privacy.value,
        "rows": job.expected_rows,
        "plan": [stage.as_data() for stage in plan],
        "rewrites": job.rewrites.listed(),
    }
    surplus = backup.surplus(job.context)[1] if backup else []
    if backup is not None:
        data["would_remove"] = [str(path) for path in surplus]
    rows = sum(job.expected_rows.values())
    lines = [
        f"would export {job.realm.string_id!r}: {rows:,} rows to {target.path}",
        plan_table(plan),
        "\n".join(job.rewrites.described()),
        *([f"would remove {path}" for path in surplus]),
        "These are estimates, made by looking; nothing was written.",
    ]
    return Result(data, "\n\n".join(lines))
