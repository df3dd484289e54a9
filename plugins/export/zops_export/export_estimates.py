"""What the stages of an export expect to write: the estimates of `zops export --dry-run`.

Rows are counted as the export would choose them; what they take is judged by a few of them. Files
are counted by their rows or in the list of the store, and not opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Estimate
from zcore.schema import tables
from zcore.schema.facts import ExportFile, exported_tables, table_facts
from zops_export.encoding import row_json
from zops_export.file_stages import AVATAR_SUFFIXES
from zops_export.message_stage import MESSAGES_IN_A_FILE
from zops_export.selection import attachments

if TYPE_CHECKING:
    from zcore.files import StoredFile
    from zops_export.export_job import ExportJob

SAMPLE = 100
BETWEEN_ROWS = 2
MEDIUM = "-medium.png"
ONE_FILE = 1
RECORDS = 1  # the file that lists the others


def messages(job: ExportJob) -> Estimate:
    """The message files."""
    rows, size = _rows(job, ExportFile.MESSAGES)
    files = -(-job.expected_rows["zerver_message"] // MESSAGES_IN_A_FILE)
    return Estimate(rows, files, size)


def realm(job: ExportJob) -> Estimate:
    """`realm.json`."""
    rows, size = _rows(job, ExportFile.REALM)
    return Estimate(rows, ONE_FILE, size)


def analytics(job: ExportJob) -> Estimate:
    """`analytics.json`."""
    rows, size = _rows(job, ExportFile.ANALYTICS)
    return Estimate(rows, ONE_FILE, size)


def attachment_rows(job: ExportJob) -> Estimate:
    """`attachment.json`."""
    rows, size = _rows(job, ExportFile.ATTACHMENT)
    return Estimate(rows, ONE_FILE, size)


def one_file(_job: ExportJob) -> Estimate:
    """A file of a few kilobytes."""
    return Estimate(rows=0, files=ONE_FILE)


def uploads(job: ExportJob) -> Estimate:
    """The files of attachments, as large as their rows say."""
    query = sa.select(sa.func.coalesce(sa.func.sum(attachments.c.size), 0))
    with job.read() as reader:
        size = reader.connection.execute(query.where(job.selection.where(attachments))).scalar_one()
    return Estimate(0, job.expected_rows[attachments.name] + RECORDS, int(size))


def avatars(job: ExportJob) -> Estimate:
    """The pictures that the store has for the realm, in the sizes that are exported."""
    folder = PurePosixPath(str(job.realm.realm_id))
    return _stored(
        file
        for file in job.stores.avatars.list(str(folder))
        if PurePosixPath(file.key).parent == folder
        and file.key.endswith(AVATAR_SUFFIXES)
        and not file.key.endswith(MEDIUM)
    )


def emoji(job: ExportJob) -> Estimate:
    """The custom emoji in the store, without the stills of those that move."""
    folder = PurePosixPath(f"{job.realm.realm_id}/emoji/images")
    found = job.stores.avatars.list(str(folder))
    return _stored(file for file in found if PurePosixPath(file.key).parent == folder)


def realm_icons(job: ExportJob) -> Estimate:
    """The icon and logos in the store."""
    return _stored(job.stores.avatars.list(f"{job.realm.realm_id}/realm"))


def _stored(files: Iterable[StoredFile]) -> Estimate:
    sizes = [file.size for file in files]
    return Estimate(0, len(sizes) + RECORDS, sum(sizes))


def _rows(job: ExportJob, file: ExportFile) -> tuple[int, int]:
    """How many rows a file of the export has, and about how many bytes."""
    rows = size = 0
    with job.read() as reader:
        for table in exported_tables(dict(tables)):
            facts = table_facts(table)
            count = sum(job.expected_rows[key] for key in facts.keys)
            if facts.file is file and count:
                job.may_go_on()
                rows += count
                size += round(count * (_mean(job, reader.connection, table) + BETWEEN_ROWS))
    return rows, size


def _mean(job: ExportJob, connection: sa.Connection, table: sa.Table) -> float:
    """The mean length of the first rows that come."""
    row = row_json(table, job.dialect, job.rewrites.replaced(table)).label("row")
    some = sa.select(row).where(job.selection.where(table)).limit(SAMPLE).subquery()
    query = sa.select(sa.func.avg(sa.func.length(some.c.row)))
    return float(connection.execute(query).scalar_one() or 0)
