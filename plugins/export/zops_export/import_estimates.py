"""What the stages of an import expect to write: the estimates of `zops import --dry-run`.

The export was looked through by then: these numbers are its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Estimate
from zcore.schema.facts import table_facts
from zops_export.export_index import DATA_FILES, table_of_key
from zops_export.import_row_stages import AUDIT_ENTRIES, NOT_LOADED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zops_export.import_job import ImportJob


def realm_rows(job: ImportJob) -> Estimate:
    """The rows of all files but those of messages."""
    return _rows(job, DATA_FILES)


def message_rows(job: ImportJob) -> Estimate:
    """The rows of the message files."""
    return _rows(job, job.source.message_files)


def finishing_rows(_job: ImportJob) -> Estimate:
    """What the audit log gets."""
    return Estimate(rows=len(AUDIT_ENTRIES), files=0, size=0)


def files(job: ImportJob) -> Estimate:
    """The files that records name and that are there."""
    sizes = job.source.sizes
    there = {record.name for record in job.index.records} & sizes.keys()
    return Estimate(0, len(there), sum(sizes[name] for name in there))


def _rows(job: ImportJob, names: Iterable[str]) -> Estimate:
    there = [name for name in names if name in job.source.sizes]
    rows = sum(
        count
        for name in there
        for key, count in job.index.by_file.get(name.removesuffix(".json"), {}).items()
        if _is_loaded(key)
    )
    return Estimate(rows, 0, sum(job.source.sizes[name] for name in there))


def _is_loaded(key: str) -> bool:
    table = table_of_key().get(key)
    return table is not None and key not in NOT_LOADED and table_facts(table).imported
