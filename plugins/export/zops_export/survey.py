"""The first of two readings of an export that is verified: what it is made of.

Nothing is unpacked, and nothing of a row is kept but its id: 8 bytes a row, none for user messages.
What is damaged is noted, and the reading goes on with the next file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from zcore.schema import tables
from zcore.schema.facts import exported_tables
from zops_export.adapting import Adapting
from zops_export.export_index import (
    DATA_FILES,
    ExportIndex,
    FileRecord,
    has_one_realm,
    missing_keys,
    most_files,
    new_index,
    sum_up,
    take_block,
)
from zops_export.export_layout import FILE_FOLDERS, RECORDS, REQUIRED, gaps, is_message_file
from zops_export.json_rows import (
    LARGEST_DOCUMENT_BYTES,
    NotJson,
    read_blocks,
    read_document,
    read_records,
)
from zops_export.manifest import MANIFEST, Manifest, read_manifest
from zops_export.row_kinds import FIRST_READING, USER_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.plugins import Plugins
    from zops_export.export_source import Streamed
    from zops_export.notes import Notes

STATS = "stats.json"
MIGRATIONS = "migration_status.json"
DOCUMENTS = (STATS, MIGRATIONS, MANIFEST)
HINT = "take another copy of the export, or make it again"


@dataclass(slots=True)
class Survey:
    """What an export is made of.

    `adapting` makes rows of other versions into those that zops knows. `spans` says, of each file
    of messages, which part of the ids of messages is from it. `unread` are files that are missing
    or cannot be read; when rows were in one, the export is `broken`: references must lead nowhere.
    """

    index: ExportIndex
    adapting: Adapting
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    zulip_version: str = ""
    stats: dict[str, object] | None = None
    manifest: Manifest | None = None
    unread: set[str] = field(default_factory=set)
    broken: bool = False

    def miss(self, name: str) -> None:
        """Go on without the file `name`."""
        self.unread.add(name)
        self.broken |= _has_rows(name)


def survey(
    source: Streamed, plugins: Plugins, notes: Notes, may_go_on: Callable[[], None]
) -> Survey:
    """Read all JSON of the export at `source`, and note what cannot be read or is missing."""
    counted = {table.name for table in exported_tables(dict(tables))} - {USER_MESSAGES}
    index = new_index(counted)
    index.most_files = most_files(source.names)
    found = Survey(index, Adapting(plugins, index, notes))
    _note_missing(source, found, notes)
    reading = _Reading(found, may_go_on)
    for name, content in source.files(_JsonNames()):
        may_go_on()
        notes.file = name
        try:
            reading.file(name, content)
        except NotJson as error:
            notes.problem(error.code, error.message, HINT)
            found.miss(name)
    sum_up(found.index)
    if not found.broken:
        _note_lacks(source, found, notes)
    return found


def _note_missing(source: Streamed, found: Survey, notes: Notes) -> None:
    for name in REQUIRED:
        if name not in source.names:
            notes.file = name
            notes.problem("missing-file", f"{name} is missing, which every export has", HINT)
            found.miss(name)
    missing, unfinished = gaps(source.names)
    for name in missing:
        notes.file = name
        notes.problem("message-file-missing", f"{name} is missing: the messages in it are lost")
        found.miss(name)
    for name in unfinished:
        notes.file = name
        notes.problem("unfinished-export", f"{name} is there: the export was never finished")
        found.miss(name)
        found.broken = True


def _note_lacks(source: Streamed, found: Survey, notes: Notes) -> None:
    """What must be in the files that could be read."""
    notes.file = "realm.json"
    for key in missing_keys(found.index, source.names):
        notes.problem("missing-table", f"there is no {key}, which every export has", HINT)
        found.broken = True
    if not found.broken and not has_one_realm(found.index):
        count = found.index.counts["zerver_realm"]
        notes.problem("one-realm", f"there must be exactly one organization, and there are {count}")
        found.broken = True


def _has_rows(name: str) -> bool:
    return name in DATA_FILES or is_message_file(name)


class _JsonNames:
    """The names of the files that are JSON of an export."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return _has_rows(name) or name in DOCUMENTS or _records_of(name) is not None


def _records_of(name: str) -> str | None:
    """The folder whose files the file `name` lists; None when it lists none."""
    folder, _, base = name.partition("/")
    return folder if base == RECORDS and folder in FILE_FOLDERS else None


class _Reading:
    """Takes files of an export, one after the other. What takes one raises `NotJson`."""

    def __init__(self, found: Survey, may_go_on: Callable[[], None]) -> None:
        self._found = found
        self._may_go_on = may_go_on

    def file(self, name: str, content: BinaryIO) -> None:
        """Take one of the JSON files."""
        kind = _records_of(name)
        if kind is not None:
            index = self._found.index
            records = read_records(content, name, index.most_files)
            index.records.extend(FileRecord(kind, row) for row in records)
        elif name == STATS:
            self._found.stats = _object(read_document(content, name), name)
        elif name == MIGRATIONS:
            self._found.zulip_version = version_in(read_document(content, name), name)
        elif name == MANIFEST:
            self._found.manifest = manifest_in(content)
        else:
            self._rows(name, content)

    def _rows(self, name: str, content: BinaryIO) -> None:
        index = self._found.index
        before = len(index.ids["zerver_message"])
        index.by_file.setdefault(name.removesuffix(".json"), {})
        for block in read_blocks(content, name, FIRST_READING):
            self._may_go_on()
            take_block(index, block, name)
            self._found.adapting.take(block)
        if is_message_file(name):
            self._found.spans[name] = (before, len(index.ids["zerver_message"]))


def _object(document: object, name: str) -> dict[str, object]:
    if not isinstance(document, dict):
        raise NotJson(f"{name} is no object")
    return document


def version_in(document: object, name: str) -> str:
    """The server's. Raises `NotJson` without it, or migrations: no server reads such an export."""
    said = _object(document, name)
    version, apps = said.get("zulip_version"), said.get("migrations_by_app")
    lists = apps.values() if isinstance(apps, dict) else [None]
    if not isinstance(version, str) or not all(isinstance(listed, list) for listed in lists):
        raise NotJson(f"{name} does not say which migrations of which version the server had")
    return version


def manifest_in(content: BinaryIO) -> Manifest:
    """The manifest. Raises `NotJson` when it is none."""
    read = content.read(LARGEST_DOCUMENT_BYTES)
    try:
        return read_manifest(read)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"{MANIFEST} is no manifest: {error}") from error
