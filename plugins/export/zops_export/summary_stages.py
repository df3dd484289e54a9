"""The stages that say what is in an export: migrations, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zops_export.export_job import ExportJob

RECORDS = "_records"
ORDER = ("avatars_records", "uploads_records", "emoji_records", "realm_icons_records")


def write_migration_status(job: ExportJob) -> None:
    """`migration_status.json`, by which the server's importer knows what it can read."""
    _write(job, "migration_status.json", job.server.status())


def write_stats(job: ExportJob) -> None:
    """`stats.json`: how many rows and file records there are, as the server counts them."""
    _write(job, "stats.json", stats_of(job.rows))


def stats_of(rows: Mapping[str, Mapping[str, int]]) -> dict[str, object]:
    """What `stats.json` says of these rows, by file of the export and table.

    Files of tables come first, by name, with their tables by name; then the lists of files.
    """
    stats: dict[str, object] = {
        file: dict(sorted(counts.items()))
        for file, counts in sorted(rows.items())
        if not file.endswith(RECORDS)
    }
    for file in sorted(rows.keys() - stats.keys(), key=_place):
        stats[file] = rows[file][file.removesuffix(RECORDS)]
    return stats


def _place(file: str) -> tuple[int, str]:
    """Where the server puts a list of files; those of other stages come last."""
    return (ORDER.index(file) if file in ORDER else len(ORDER), file)


def _write(job: ExportJob, name: str, document: object) -> None:
    """As the server writes JSON: indented by two spaces, no line end behind."""
    with job.open(name) as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=2))
