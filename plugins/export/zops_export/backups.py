"""What makes an export a backup: it is verified, older ones go, and a mark says when it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import Context, Failed, Finding, Problem, Result
from zcore.version import __version__
from zops_export.series import Series, remove_export
from zops_export.success_mark import MarkedExport, SuccessMark, read_mark, write_mark
from zops_export.verifying import verify_export

if TYPE_CHECKING:
    from zops_export.export_job import ExportJob
    from zops_export.export_options import ExportOptions

LAST_SUCCESS = "last-success"
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Backup:
    """An export at `target` that is a backup: how many of its series to keep, and the mark."""

    target: Path
    keep: int | None
    mark: Path
    series: Series

    @classmethod
    def of(cls, options: ExportOptions, job: ExportJob, target: Path) -> Backup:
        """The backup that is asked for."""
        realm = job.realm.string_id
        mark = _mark_path(options, realm, target)
        known = read_mark(mark)
        ours = known is not None and (known.realm, known.mode) == (realm, job.selection.mode.label)
        seen = {one.name: one.bytes for one in known.exports} if known and ours else {}
        series = Series(target.parent, options.name.name, realm, job.selection.mode.label, seen)
        return cls(target, options.keep, mark, series)

    def surplus(self, context: Context) -> tuple[list[Path], list[Path]]:
        """The older exports that stay, and those that go; the newest first."""
        if self.keep is None:
            return [], []
        older = list(self.series.before(self.target, context.stop.check))
        return older[: self.keep - 1], older[self.keep - 1 :]

    def finish(self, context: Context, result: Result, started: datetime) -> Result:
        """Verify the export, remove what is too old, write the mark.

        Raises `Failed` when the new export has problems: then everything else stays as it is.
        """
        _require_whole(context, self.target)
        kept, gone = self.surplus(context)
        removed, left = _remove(gone)
        findings = [*result.findings, *left]
        self._write_mark(replace(result, findings=findings), started, [self.target, *kept])
        data = {"verified": True, "removed": [str(path) for path in removed]}
        lines = [result.text, "verified: it is whole and coherent"]
        lines += [f"removed {path}" for path in removed]
        return replace(
            result,
            data={**result.data, **data, "mark": str(self.mark)},
            text="\n".join(lines),
            findings=tuple(findings),
        )

    def _write_mark(self, result: Result, started: datetime, exports: list[Path]) -> None:
        finished = datetime.now(UTC).replace(microsecond=0)
        mark = SuccessMark(
            realm=self.series.realm,
            mode=self.series.mode,
            path=str(self.target),
            started=started.replace(microsecond=0),
            finished=finished,
            unix_time=int(finished.timestamp()),
            bytes=_number(result.data["bytes"]),
            sha256=str(result.data["sha256"]),
            findings=len(result.findings),
            verified=True,
            zops=__version__,
            exports=[MarkedExport(path.name, path.stat().st_size) for path in exports],
        )
        write_mark(self.mark, mark)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _mark_path(options: ExportOptions, realm: str, target: Path) -> Path:
    """Where the mark is: as it was said, or beside the exports under a name like theirs."""
    if options.mark is not None:
        return Path(options.mark.fill(realm, datetime.now(UTC))).expanduser().absolute()
    name = options.name.name.without_time(realm, LAST_SUCCESS)
    return target.with_name(f"{name.removesuffix('.tar.gz')}.json")


def _require_whole(context: Context, target: Path) -> None:
    verified = verify_export(context, target)
    if verified.findings:
        problems = [
            Problem(one.code, f"{one.where}: {one.message}" if one.where else one.message, one.hint)
            for one in verified.findings[:SHOWN]
        ]
        raise Failed(
            f"the export {target} was made, but has problems; older exports were left alone",
            code="bad-export",
            hint=f"look at it with 'zops verify {target}'",
            problems=problems,
        )


def _remove(paths: list[Path]) -> tuple[list[Path], list[Finding]]:
    """Remove exports, the oldest first; those that are gone, and why others are not."""
    removed, findings = [], []
    for path in reversed(paths):
        try:
            remove_export(path)
            removed.append(path)
        except OSError as error:
            message = f"an older export could not be removed: {error.strerror}"
            findings.append(Finding("not-removed", message, str(path), "remove it by hand"))
    return removed, findings
