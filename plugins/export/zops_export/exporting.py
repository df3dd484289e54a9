"""One export, from the command's options to a finished folder or archive."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from zcore import Context, Refused, Result, Stage
from zcore.organizations.lookup import Realm, find_realm
from zcore.pipeline import MemoryJournal, in_order, run
from zcore.version import __version__
from zops_export.archive_writing import SUFFIX, pack
from zops_export.export_job import ExportJob
from zops_export.known_schema import require_known_schema
from zops_export.selection import Mode, Selection, find_system_bots
from zops_export.work_folder import WorkFolder, publish_file

if TYPE_CHECKING:
    from zcore.rows_out import Snapshot

MANIFEST = "zops-manifest.json"
OTHER_OUTPUT = "choose another place with --output"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line asks for. `output` None: an archive here, named by realm and time."""

    realm: str
    output: Path | None = None
    mode: Mode = Mode.FULL
    threads: int = 1
    dry_run: bool = False


def export_realm(context: Context, options: ExportOptions) -> Result:
    """Export one realm. Raises `Refused` before anything is written, else what the stages raise."""
    with context.stop.calling(context.database.cancel):
        return _export(context, options)


def _export(context: Context, options: ExportOptions) -> Result:
    started = time.monotonic()
    given, _ = context.plugins.export_stages()
    stages = in_order(given)
    with context.database.snapshot(options.threads) as snapshot:
        with snapshot.reader() as reader:
            unknown = require_known_schema(reader.connection)
            realm = find_realm(reader.connection, options.realm)
            bots = find_system_bots(reader.connection, realm.string_id)
        target = _target(options, realm)
        selection = Selection(realm.realm_id, options.mode, bots)
        if options.dry_run:
            return _plan(context, snapshot, selection, realm, target)
        context.files  # noqa: B018  # refuses here when the place of the files is not known
        folder = WorkFolder(target)
        try:
            job = ExportJob(context, realm, selection, snapshot, folder)
            job.findings.extend(unknown)
            _run_stages(job, stages, snapshot.readers)
            digest = _publish(job, target)
        except BaseException:
            folder.remove()
            raise
    return _result(job, target, digest, time.monotonic() - started)


def _target(options: ExportOptions, realm: Realm) -> Path:
    """Where the export goes. Raises `Refused` when something is there, or no folder to put it."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"zulip-export-{realm.string_id or 'root'}-{moment}{SUFFIX}"
    target = Path(os.path.expanduser(options.output or name)).absolute()
    try:
        if target.exists() or target.is_symlink():
            raise Refused(f"{target} is already there", code="exists", hint=OTHER_OUTPUT)
        if not target.parent.is_dir():
            raise Refused(f"there is no folder {target.parent}", hint=OTHER_OUTPUT)
    except OSError as error:
        raise Refused(f"cannot write {target}: {error.strerror}", hint=OTHER_OUTPUT) from error
    return target


def _run_stages(job: ExportJob, stages: Sequence[Stage], threads: int) -> None:
    journal = MemoryJournal()
    run(stages, job, journal, threads=threads, may_go_on=job.may_go_on)
    job.reports.extend(journal.reports)


def _publish(job: ExportJob, target: Path) -> str:
    """Give the export its final name; the SHA-256 of the archive, or of the folder's manifest."""
    _write_manifest(job)
    job.may_go_on()
    if not target.name.endswith(SUFFIX):
        job.folder.publish()
        return job.folder.files[MANIFEST].sha256
    aside = job.folder.path.with_suffix(SUFFIX)
    try:
        top = target.name.removesuffix(SUFFIX)
        digest = pack(job.folder.path, top, aside, job.may_go_on)
        publish_file(aside, target)
    finally:
        aside.unlink(missing_ok=True)
    job.folder.remove()
    return digest


def _write_manifest(job: ExportJob) -> None:
    """`zops-manifest.json`: every file with its size and hash, so that damage can be seen."""
    manifest = {
        "zops": __version__,
        "realm": job.realm.string_id,
        "mode": job.mode.label,
        "rows": job.rows_by_table(),
        "findings": [asdict(finding) for finding in job.findings],
        "stages": [report.name for report in job.reports],
        "files": {
            name: {"size": file.size, "sha256": file.sha256}
            for name, file in sorted(job.folder.files.items())
        },
    }
    with job.open(MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2))


def _result(job: ExportJob, target: Path, digest: str, seconds: float) -> Result:
    archive = target.is_file()
    size = target.stat().st_size if archive else job.folder.size
    rows = job.rows_by_table()
    files = sum(counts.get("files", 0) for counts in _file_counts(job))
    data = {
        "path": str(target),
        "url": None,
        "realm": job.realm.string_id,
        "mode": job.mode.label,
        "rows": rows,
        "files": files,
        "bytes": size,
        "sha256": digest,
        "seconds": round(seconds, 3),
        "stages": [
            {"name": report.name, "seconds": round(report.seconds, 3), **report.counts}
            for report in job.reports
        ],
    }
    text = (
        f"exported {job.realm.string_id!r}: {sum(rows.values()):,} rows and {files:,} files,"
        f" {size / 1e6:,.1f} MB in {seconds:.1f} s\n{target}\nsha256 {digest}"
    )
    return Result(data, text, tuple(job.findings))


def _file_counts(job: ExportJob) -> list[dict[str, int]]:
    return [dict(report.counts) for report in job.reports if "bytes" in report.counts]


def _plan(
    context: Context, snapshot: Snapshot, selection: Selection, realm: Realm, target: Path
) -> Result:
    """What an export would take, counted in the snapshot; nothing is written."""
    from zops_export.counting import count_rows

    with snapshot.reader() as reader:
        rows = count_rows(reader.connection, selection)
    data = {
        "dry_run": True,
        "path": str(target),
        "realm": realm.string_id,
        "mode": selection.mode.label,
        "rows": rows,
    }
    text = f"would export {realm.string_id!r}: {sum(rows.values()):,} rows to {target}"
    return Result(data, text)
