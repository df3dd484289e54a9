"""Checking the files of an export: against its records, its rows, its counts and its manifest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zops_export.checking import check_counts
from zops_export.export_layout import FILE_FOLDERS, RECORDS, REQUIRED, is_message_file
from zops_export.id_maps import first_duplicate
from zops_export.manifest import MANIFEST
from zops_export.secret_keys import secret_keys
from zops_export.survey import MIGRATIONS, STATS

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Mapping

    from zops_export.export_index import FileRecord
    from zops_export.export_source import Streamed
    from zops_export.manifest import Manifest
    from zops_export.notes import Notes
    from zops_export.survey import Survey

OTHERS = frozenset({*REQUIRED, "analytics.json", STATS, MIGRATIONS, MANIFEST})
UPLOADS = "uploads"


def check_ids(found: Survey, notes: Notes) -> None:
    """Note tables with an id that occurs more than once."""
    for table, ids in sorted(found.index.ids.items()):
        twice = first_duplicate(ids)
        if twice is not None:
            notes.file = ", ".join(_files_with(found, table, ids, twice))
            what = f"{table} has the id {twice} more than once"
            notes.problem("duplicate-id", what, row=f"{table} {twice}")


def _files_with(found: Survey, table: str, ids: array[int], ident: int) -> Iterator[str]:
    if table == "zerver_message":
        for name, (start, end) in found.spans.items():
            if ident in ids[start:end]:
                yield name
        return
    for file, counts in found.index.by_file.items():
        if any(key.startswith(table) for key in counts):
            yield f"{file}.json"


def check_numbers(found: Survey, notes: Notes) -> None:
    """Note other numbers of rows and records than `stats.json` and the manifest say."""
    stats = found.stats or {}
    for name in sorted(f"{file}.json" for file in stats):
        if is_message_file(name) and name not in found.spans and name not in found.unread:
            notes.file = name
            notes.problem("message-file-missing", f"{name} is missing, which {STATS} knows")
            found.miss(name)
    before = notes.problem_count
    read = {file: said for file, said in stats.items() if f"{file}.json" not in found.unread}
    check_counts(read, found.index, notes)
    _check_record_counts(stats, found, notes)
    if found.manifest is not None and notes.problem_count == before and not found.broken:
        _check_manifest_rows(found.manifest, found, notes)


def _check_record_counts(stats: Mapping[str, object], found: Survey, notes: Notes) -> None:
    records = Counter(record.kind for record in found.index.records)
    for kind in FILE_FOLDERS:
        said = stats.get(f"{kind}_records", records[kind])
        name = f"{kind}/{RECORDS}"
        if said != records[kind] and name not in found.unread:
            notes.file = name
            notes.problem("rows-missing", f"{name} has {records[kind]} records; there were {said}")


def _check_manifest_rows(manifest: Manifest, found: Survey, notes: Notes) -> None:
    notes.file = MANIFEST
    for key, count in sorted(manifest.rows.items()):
        there = found.index.counts.get(key)
        if there is not None and there != count:
            what = f"there are {there} rows of {key}; the manifest says {count}"
            notes.problem("rows-missing", what, row=key)


def check_files(source: Streamed, found: Survey, notes: Notes) -> None:
    """Note files that are missing, that nothing names, or that are of another size."""
    seen: set[str] = set()
    for record in found.index.records:
        notes.file = record.name
        if record.name in seen:
            notes.problem("duplicate-record", f"{record.name} has two records")
        elif record.name not in source.names:
            notes.problem("missing-file", "a record names a file that is not there")
        else:
            _check_record(source, record, notes)
        seen.add(record.name)
    _check_uploads(found, notes)
    _check_avatars(found, notes)
    _check_manifest_files(source, found, notes)
    _check_extra(source, found, seen, notes)


def _check_record(source: Streamed, record: FileRecord, notes: Notes) -> None:
    size = record.row.get("size")
    if isinstance(size, int) and size != source.sizes[record.name]:
        what = f"it has {source.sizes[record.name]:,} bytes, and its record says {size:,}"
        notes.problem("wrong-size", what)
    for key in secret_keys(record.row):
        notes.problem("secret", f"its record has the key {key!r}, a secret")


def _check_uploads(found: Survey, notes: Notes) -> None:
    """Each attachment has a file, and each uploaded file an attachment."""
    wanted = {row.get("path_id"): row for row in found.index.attachments}
    recorded = {
        record.row.get("s3_path"): record
        for record in found.index.records
        if record.kind == UPLOADS
    }
    notes.file = "attachment.json"
    for path, row in wanted.items():
        if path not in recorded and f"{UPLOADS}/{RECORDS}" not in found.unread:
            place = f"zerver_attachment {row.get('id')}"
            what = f"{place}: there is no uploaded file for it, {path!r}"
            notes.problem("missing-file", what, row=place)
    for path, record in recorded.items():
        if path not in wanted and not found.broken:
            notes.file = record.name
            notes.problem("orphan-file", "the uploaded file belongs to no attachment")


def _check_avatars(found: Survey, notes: Notes) -> None:
    users = set(found.index.ids["zerver_userprofile"])
    for record in found.index.records:
        if record.kind == "avatars" and record.row.get("user_profile_id") not in users:
            if found.broken:
                return
            notes.file = record.name
            notes.problem("orphan-file", "the picture belongs to nobody in the export")


def _check_manifest_files(source: Streamed, found: Survey, notes: Notes) -> None:
    """Files that the manifest lists must be there; sums are compared while they are read."""
    if found.manifest is None:
        return
    recorded = {record.name for record in found.index.records}
    for name in sorted(found.manifest.files.keys() - source.names - recorded):
        if name not in REQUIRED and not is_message_file(name):
            notes.file = name
            notes.problem("missing-file", "the manifest lists it, and it is not there")


def _check_extra(source: Streamed, found: Survey, recorded: set[str], notes: Notes) -> None:
    listed = found.manifest.files.keys() if found.manifest is not None else frozenset()
    for name in sorted(source.names - recorded - OTHERS - listed - found.unread):
        folder, _, base = name.partition("/")
        unknown = f"{folder}/{RECORDS}" in found.unread  # what would name it cannot be read
        if not (is_message_file(name) or base == RECORDS or unknown):
            notes.file = name
            notes.problem("extra-file", "nothing in the export names it")
