"""What an export has written to the database, kept in its work folder for the run after a kill.

The record is on the disk before the database commits what it tells of, so that whoever finds it
looks into the database whether that has happened.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from zcore import Failed
from zcore.frozen import frozen
from zcore.organizations.closing import Turn  # noqa: TC001  # read, by the types of the fields
from zops_export.export_row import RowKey  # noqa: TC001  # as above

if TYPE_CHECKING:
    from pathlib import Path

RECORD = "record.json"


@frozen
class ClosedRealm:
    """That the organization was deactivated for the export: what the audit log says of it, and
    how many login sessions were ended and scheduled mails dropped.
    """

    turn: Turn
    sessions: int
    emails: int


@frozen
class Whole:
    """What a finished export holds: bytes, files beside the JSON, rows by file of it and table.

    `sha256` is that of the archive, or of the folder's manifest.
    """

    size: int
    sha256: str
    files: int
    rows: dict[str, dict[str, int]]


@frozen
class ExportRecord:
    """The export's row, what was done to the organization for it, and what there is to publish."""

    row: RowKey
    closed: ClosedRealm | None = None
    whole: Whole | None = None


def write_record(folder: Path, record: ExportRecord) -> None:
    """Keep `record` in the work folder, whole or not at all. Raises `Failed`."""
    aside = folder / f"{RECORD}.new"
    try:
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(descriptor)
        aside.replace(folder / RECORD)
    except OSError as error:
        raise Failed(f"cannot write {folder / RECORD}: {error.strerror}") from error


def read_record(folder: Path) -> ExportRecord | None:
    """The record that lies in the folder; None when there is none that can be read."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=ExportRecord)
    except (OSError, msgspec.MsgspecError):
        return None
