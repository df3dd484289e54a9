"""What a `records.json` says of each file, as a server with the same kind of store writes it."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zcore.files import StoredFile
    from zops_export.export_job import ExportJob

Facts = TypeVar("Facts")
Record = dict[str, object]

NUMBERS = ("user_profile_id", "realm_id", "avatar_version")
IN_MEMORY_BYTES = 1 << 20


def file_record(stored: StoredFile, path: str, facts: Mapping[str, object]) -> Record:
    """The record of a copied upload or avatar; `facts` are known better than the store knows them.

    A server with an object store also writes what it keeps beside the object.
    """
    record = object_record(stored)
    if not record:
        record = {
            "size": stored.size,
            "last_modified": stored.modified,
            "content_type": stored.content_type,
        }
    return {**record, **facts, "s3_path": path, "path": path}


def object_record(stored: StoredFile) -> Record:
    """What is recorded only of an object of an object store; nothing of any other file."""
    if not stored.bucket:
        return {}
    return {
        **{name: _number(name, value) for name, value in stored.entries.items()},
        "bucket": stored.bucket,
        "size": stored.size,
        "last_modified": datetime.fromtimestamp(stored.modified, UTC).isoformat(),
        "content_type": stored.content_type,
        "md5": stored.tag,
    }


def _number(name: str, value: str) -> str | int:
    return int(value) if name in NUMBERS and value.isdecimal() else value


class RecordsFile:
    """Collects the records of one `records.json`, without holding them all in memory.

    To be used in a `with` statement.
    """

    def __init__(self) -> None:
        self.count = 0
        self.size = 0
        self._text = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 # see `__exit__`

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._text.close()

    def add(self, record: Record, size: int) -> None:
        """One more record, of a file of `size` bytes. They have to come in the order of `path`."""
        self._text.write(b",\n" if self.count else b"\n")
        self._text.write(msgspec.json.encode(record))
        self.count += 1
        self.size += size

    def write(self, job: ExportJob, kind: str) -> dict[str, int]:
        """Write `<kind>/records.json`; what the stage reports."""
        with job.open(f"{kind}/records.json") as file:
            self._text.seek(0)
            file.write(b"[")
            while block := self._text.read(IN_MEMORY_BYTES):
                file.write(block)
            file.write(b"\n]\n" if self.count else b"]\n")
        job.rows[f"{kind}_records"] = {kind: self.count}
        return {"files": self.count, "bytes": self.size}


class SortedFiles(Generic[Facts]):
    """Files that are to be copied, each by its path with facts, kept on the disk in that order.

    `kind` is the class of the facts, a named tuple.
    """

    def __init__(self, connection: sqlite3.Connection, kind: type[Facts]) -> None:
        self._connection = connection
        self._decoder = msgspec.json.Decoder(kind)
        connection.execute("CREATE TABLE files (path TEXT, facts BLOB)")

    def add(self, path: str, facts: Facts) -> None:
        """One more file; there may be several facts of one."""
        row = (path, msgspec.json.encode(facts))
        self._connection.execute("INSERT INTO files VALUES (?, ?)", row)

    def __iter__(self) -> Iterator[tuple[str, list[Facts]]]:
        found = self._connection.execute("SELECT path, facts FROM files ORDER BY path, rowid")
        for path, rows in groupby(found, itemgetter(0)):
            yield path, [self._decoder.decode(facts) for _, facts in rows]


@contextmanager
def sorted_files(kind: type[Facts]) -> Iterator[SortedFiles[Facts]]:
    """An empty `SortedFiles`, gone afterwards: SQLite's own temporary file, which has no name."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        yield SortedFiles(connection, kind)
