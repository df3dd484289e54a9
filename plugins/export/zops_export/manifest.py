"""`zops-manifest.json`: what an export is made of, so that damage to it can be seen."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import msgspec

from zcore.version import __version__

if TYPE_CHECKING:
    from zops_export.export_job import ExportJob

MANIFEST = "zops-manifest.json"


def write_manifest(job: ExportJob) -> None:
    """Write the manifest of all that `job` has written: the last file of an export."""
    manifest = {
        "zops": __version__,
        "realm": job.realm.string_id,
        "mode": job.mode.label,
        "rows": job.rows_by_table(),
        "rewrites": job.rewrites.listed(),
        "findings": [asdict(finding) for finding in job.findings],
        "stages": [report.name for report in job.reports],
        "files": {
            name: {"size": file.size, "sha256": file.sha256}
            for name, file in sorted(job.folder.files.items())
        },
    }
    with job.open(MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
