"""The stage of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zops_message_statistics.counting import as_csv, count_messages

if TYPE_CHECKING:
    from zcore import ExportJob

NAME = "message-statistics.csv"


def write_statistics(job: ExportJob) -> dict[str, int]:
    """All days, from the snapshot that the whole export shows."""
    with job.read() as reader:
        content, rows = as_csv(count_messages(reader.connection, job.realm.realm_id))
    with job.open(NAME) as file:
        file.write(content)
    return {"rows": rows, "files": 1, "bytes": len(content)}
