"""`zops-manifest.json`: what an export is made of, and of what moment, server and plugins.

Its form is described in `docs/manifest.md`, and has a number: what stands in a manifest of one
number keeps its name and meaning, and more may come. Whoever reads one passes over what it does
not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zcore import Finding  # noqa: TC001  # msgspec asks for it when a manifest is read
from zcore.version import __version__

if TYPE_CHECKING:
    from datetime import datetime

    from zops_export.export_job import ExportJob

MANIFEST = "zops-manifest.json"
FORMAT = 1


class ListedFile(msgspec.Struct, frozen=True):
    """A file of the export: its size in bytes, its SHA-256 in hex."""

    size: int
    sha256: str


class Moment(msgspec.Struct, frozen=True):
    """When, in UTC by the clock of the database, and how its rows were held."""

    time: str
    taken: str


class Source(msgspec.Struct, frozen=True):
    """Where the organization comes from: the kind of database, the server's version, how known."""

    database: str
    zulip_version: str
    known_by: str


class Part(msgspec.Struct, frozen=True):
    """A stage that took part, and the plugin that it is of."""

    name: str
    plugin: str


class TakingPart(msgspec.Struct, frozen=True):
    """A plugin with a stage or a rewrite in the export."""

    name: str
    version: str
    distribution: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says. All but `files` has a default: older manifests say less."""

    format: int = 0
    zops: str = ""
    realm: str = ""
    mode: str = ""
    privacy: str = ""
    snapshot: Moment | None = None
    source: Source | None = None
    plugins: list[TakingPart] = []
    stages: list[Part | str] = []
    rewrites: list[dict[str, str | None]] = []
    findings: list[Finding] = []
    rows: dict[str, int] = {}
    files: dict[str, ListedFile]


def write_manifest(job: ExportJob) -> None:
    """Write the manifest of all that `job` has written: the last file of an export."""
    listed = {
        name: ListedFile(file.size, file.sha256) for name, file in sorted(job.written.items())
    }
    manifest = Manifest(
        format=FORMAT,
        zops=__version__,
        realm=job.realm.string_id,
        mode=job.selection.mode.label,
        privacy=job.privacy.value,
        snapshot=Moment(_utc(job.moment), job.moment_taken),
        source=Source(job.dialect, job.server.version, job.server.known_by),
        plugins=_plugins(job),
        stages=[Part(report.name, _plugin_of(job, report.name)) for report in job.reports],
        rewrites=job.rewrites.listed(),
        findings=job.findings,
        rows=job.rows_by_table(),
        files=listed,
    )
    with job.open(MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2))


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _plugin_of(job: ExportJob, stage_name: str) -> str:
    found = (stage for stage in job.stages if stage.name == stage_name)
    return next((name for stage in found if (name := job.context.plugins.plugin_of(stage))), "zops")


def _plugins(job: ExportJob) -> list[TakingPart]:
    """The plugins whose stages ran or whose rewrites were used, by name."""
    plugins = job.context.plugins
    given = [*job.stages, *(rewrite for rewrite, _ in job.rewrites.given)]
    names = {plugins.plugin_of(value) for value in given}
    return [
        TakingPart(info.name, info.version, info.distribution)
        for info in plugins.infos
        if info.name in names
    ]


def read_manifest(content: bytes) -> Manifest:
    """What a manifest says. Raises `msgspec.MsgspecError` when it is none."""
    return msgspec.json.decode(content, type=Manifest)
