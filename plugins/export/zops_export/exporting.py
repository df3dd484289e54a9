"""One export, from the command's options to a finished folder or archive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import Context, ExportRequest, Failed, Refused, Result
from zcore.crash_points import crash_point
from zcore.frozen import frozen
from zcore.organizations.lookup import Realm, find_realm
from zcore.pipeline import run
from zcore.stage_graph import StageGraph
from zcore.stage_progress import stage_progress
from zcore.stage_timing import timing_table
from zcore.validation import require_valid
from zops_export import free_space
from zops_export.bookkeeping import Bookkeeping, ExportOrder, is_closed, written_down
from zops_export.claimed_folder import left_targets
from zops_export.destinations import Destination, destination
from zops_export.expected_work import expected_work
from zops_export.export_job import ExportJob
from zops_export.export_journal import ExportJournal
from zops_export.export_record import ExportRecord, Whole
from zops_export.export_row import Published
from zops_export.extras import chosen, require_known
from zops_export.finishing import finish, is_published
from zops_export.known_schema import known_schema
from zops_export.manifest import write_manifest
from zops_export.ordered_work import waiting_for
from zops_export.other_columns import not_exported, other_columns
from zops_export.owners import warn_root
from zops_export.privacy import Privacy, strictly
from zops_export.requested import failing_request
from zops_export.rewrite_checks import require_usable
from zops_export.rewrites import Rewrites, read_rewrites
from zops_export.selection import Selection
from zops_export.server_version import find_server_version
from zops_export.summary_stages import stats_of
from zops_export.system_bots import find_system_bots
from zops_export.usable import require_owner
from zops_export.work_folder import WorkFolder

if TYPE_CHECKING:
    from zcore.rows_out import Snapshot
    from zops_export.backups import Backup
    from zops_export.drafts import Draft
    from zops_export.export_options import ExportOptions

SECONDS_TO_STOP = 1.0  # after a signal, before what may be stuck is ended where it stands


def export_realm(context: Context, options: ExportOptions) -> Result:
    """Export one realm. Raises `Refused` before anything is written, else what the stages raise."""
    with context.stop.within(SECONDS_TO_STOP), failing_request(context, options):
        if options.given_up:
            raise Failed("the export is given up", hint="its number can be asked for again")
        return _export(context, options)


def _export(context: Context, options: ExportOptions) -> Result:
    started = time.monotonic()
    stages, given = context.plugins.export_stages()
    require_known(options.extras, [*stages, *given])
    graph = StageGraph.of(chosen(stages, options.extras), context.plugins.provider)
    wanted = chosen(given, options.extras)
    rewrites = read_rewrites(context.plugins, wanted, context.database.dialect)
    moment = datetime.now(UTC)
    with context.stop.calling(context.database.cancel), context.database.snapshot() as snapshot:
        job = _prepare(context, options.realm, options, rewrites, snapshot)
        job.stages = graph.stages
        target = _destination(context, options, job.realm, moment)
        backup = _backup(options, job, target)
        order = ExportOrder(job.realm, options.mode, options.deactivate_realm, options.requested)
        published = options.resume and not options.dry_run and is_published(order, target)
        if not published:
            _check(job, rewrites, options, target)
        if options.dry_run:
            return _plan(job, graph, target, backup)
    if published:
        result = finish(context, order, target)
    else:
        # Refuses here when the place of the files is not known.
        waiting_for(lambda: context.files, context.stop.check)
        result = _write(job, graph, rewrites, options, target, started)
    return result if backup is None else backup.finish(context, result, moment)


def _backup(options: ExportOptions, job: ExportJob, target: Destination) -> Backup | None:
    """The backup that the export is asked to be. Of a mere export nothing is verified."""
    if options.keep is None and options.mark is None:
        return None
    from zops_export.backups import Backup

    return Backup.of(options, job, target.target)


def _check(job: ExportJob, rewrites: Rewrites, options: ExportOptions, target: Destination) -> None:
    """Raise `Refused` when there is a reason not to begin."""
    _check_request(job.context, options, job.realm, target)
    with job.read() as reader:
        require_usable(reader.connection, rewrites, job.selection)
        require_owner(reader.connection, job, allow_unusable=options.allow_unusable)
    warn_root(job.context, target.target)
    if options.deactivate_realm and options.dry_run and job.realm.deactivated:
        raise is_closed(job.realm)


def _write(
    planned: ExportJob,
    graph: StageGraph,
    rewrites: Rewrites,
    options: ExportOptions,
    target: Destination,
    started: float,
) -> Result:
    """Make the export of which everything is known, as far as it can be before it is begun."""
    context = planned.context
    order = ExportOrder(planned.realm, options.mode, options.deactivate_realm, options.requested)
    killed = _remove_leftovers(context, order, options, target.target.parent)
    with _places(planned, options, target) as places:
        book = _bookkeeping(context, order, options, places.work, [*killed, *target.earlier])
        clean_up = places.work.leave if options.resume else places.draft.remove
        with context.stop.within(SECONDS_TO_STOP, book.failed, clean_up), written_down(book):
            with context.stop.calling(context.database.cancel):
                job = _run_stages(planned, graph, rewrites, options, places)
                places.work.past_stopping = partial(_about_to_publish, job, book)
                digest = job.draft.publish()
            crash_point("published")
            _write_success(job, book, target, digest)
        target.ended(published=True)
        places.work.remove()
    seconds = time.monotonic() - started
    context.console.report(timing_table(job.reports, seconds))
    result = _result(job, target, digest, seconds)
    return replace(result, data={**result.data, "export_id": book.export_id})


def _write_success(job: ExportJob, book: Bookkeeping, target: Destination, digest: str) -> None:
    published = Published(job.draft.size, digest, stats_of(job.rows), target.export_path)
    if (finding := book.succeeded(published)) is not None:
        job.add_finding(finding)


def _about_to_publish(job: ExportJob, book: Bookkeeping, digest: str) -> None:
    """The last thing before the export gets its final name: from now on no signal stops it."""
    rows = {file: dict(counts) for file, counts in job.rows.items()}
    book.is_whole(Whole(job.draft.size, digest, _file_count(job), rows))
    crash_point("whole")
    job.context.stop.past_stopping()


def _bookkeeping(
    context: Context,
    order: ExportOrder,
    options: ExportOptions,
    work: WorkFolder,
    killed: list[ExportRecord],
) -> Bookkeeping:
    earlier = [*killed, *([work.earlier] if work.earlier is not None else [])]
    return Bookkeeping(context, order, work.home, earlier, resumes=options.resume)


def _remove_leftovers(
    context: Context, order: ExportOrder, options: ExportOptions, folder: Path
) -> list[ExportRecord]:
    """Remove what exports left that were killed, and cannot be resumed: each has another name.

    Returns what they wrote to the database.
    """
    if not options.name.times:
        return []
    found: list[ExportRecord | None] = []
    for path in left_targets(folder, options.name.name.glob(order.realm.string_id)):
        with suppress(Refused):  # somebody works on it, or it is somebody else's
            target = Destination(path)
            if is_published(order, target):
                finish(context, order, target)
                continue
            work = WorkFolder(path)
            found.append(work.earlier)
            work.remove()
            context.console.note(f"removed {work.home}, which an export that was killed had left")
    return [record for record in found if record is not None]


def _run_stages(
    planned: ExportJob,
    graph: StageGraph,
    rewrites: Rewrites,
    options: ExportOptions,
    places: _Places,
) -> ExportJob:
    """Everything of one moment, in the draft. It begins after what was written down of it."""
    context = planned.context
    if options.deactivate_realm:
        rewrites = rewrites.with_active_realm()
    with context.database.snapshot(options.threads) as snapshot:
        job = _prepare(context, f"id:{planned.realm.realm_id}", options, rewrites, snapshot)
        job.stages = graph.stages
        job.begin(places.draft, places.journal)
        label = f"exporting {job.realm.string_id!r}"
        expected = partial(expected_work, job)
        with stage_progress(context.console, label, graph, expected) as job.progress:
            threads = snapshot.readers
            run(graph, job, job.journal, context.plugins, job.progress, threads=threads)
        job.reports.extend(job.journal.reports)
        write_manifest(job)
        job.may_go_on()
    return job


def _prepare(
    context: Context,
    realm_reference: str,
    options: ExportOptions,
    rewrites: Rewrites,
    snapshot: Snapshot,
) -> ExportJob:
    """The job, once it is known what it is about. Raises `Refused` when there is no such realm."""
    with snapshot.reader() as reader:
        differences = known_schema(reader.connection)
        realm = find_realm(reader.connection, realm_reference)
        bots = find_system_bots(reader.connection, realm.string_id)
        server = find_server_version(
            reader.connection, context.settings.deployments, options.zulip_version
        )
    selection = Selection(realm.realm_id, options.mode, bots, rewrites.conditions)
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
        allow=frozenset({free_space.OVERRIDE} if options.ignore_free_space else ()),
        dry_run=options.dry_run,
    )
    target.require_free()


@frozen
class _Places:
    """Where an export is made, and what is written down of it there."""

    work: WorkFolder
    draft: Draft
    journal: ExportJournal


@contextmanager
def _places(planned: ExportJob, options: ExportOptions, target: Destination) -> Iterator[_Places]:
    """Where it is made, while inside. When that fails, it goes, or stays for later."""
    target.prepare()
    work = WorkFolder(target.target, resume=options.resume)
    draft = _draft_in(work, planned, target, resume=options.resume)
    try:
        about = _about(planned, options)
        with closing(ExportJournal(work.home, draft, about, planned.add_finding)) as journal:
            yield _Places(work, draft, journal)
    except BaseException as error:
        if not options.resume:
            draft.remove()
            target.ended(published=False)
            raise
        draft.leave()
        if not isinstance(error, Refused):
            planned.context.console.note("what was done is kept: go on with the same command")
        raise


def _draft_in(work: WorkFolder, job: ExportJob, target: Destination, *, resume: bool) -> Draft:
    try:
        return target.draft(work, job.may_go_on, resume=resume)
    except BaseException:
        work.leave()
        raise


def _about(job: ExportJob, options: ExportOptions) -> dict[str, str | bool]:
    """What an export has to have in common with the one that it goes on with."""
    about: dict[str, str | bool] = {
        "realm": job.realm.string_id,
        "made": job.realm.date_created.isoformat(),
        "mode": job.selection.mode.label,
        "privacy": job.privacy.value,
    }
    return about | ({"deactivates": True} if options.deactivate_realm else {})


def _result(job: ExportJob, target: Destination, digest: str, seconds: float) -> Result:
    rows = job.rows_by_table()
    files = _file_count(job)
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


def _file_count(job: ExportJob) -> int:
    """Files that were copied."""
    copied = (report.counts for report in job.reports if "bytes" in report.counts)
    return sum(counts.get("files", 0) for counts in copied)


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
