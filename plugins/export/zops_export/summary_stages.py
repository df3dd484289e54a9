"""The stages that say what is in an export: migrations, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from zops_export.export_job import ExportJob


def write_migration_status(job: ExportJob) -> None:
    """`migration_status.json`, by which the server's importer knows what it can read."""
    _write(job, "migration_status.json", job.server.status())


def write_stats(job: ExportJob) -> None:
    """`stats.json`: how many rows and file records there are, as the server counts them."""
    stats: dict[str, object] = {}
    for file, counts in sorted(job.rows.items()):
        stats[file] = counts[file[: -len("_records")]] if file.endswith("_records") else counts
    _write(job, "stats.json", stats)


def _write(job: ExportJob, name: str, document: object) -> None:
    """As the server writes JSON: indented by two spaces, the keys sorted, no line end behind."""
    with job.open(name) as file:
        file.write(msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2))
