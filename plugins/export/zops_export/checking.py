"""Is an export whole and coherent? Looked at without a database, row by row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from zcore import Finding
from zcore.schema.facts import table_facts
from zops_export.export_index import (
    ExportIndex,
    blocks,
    data_files,
    referenced_tables,
    table_of_key,
)
from zops_export.export_layout import MESSAGE_FILE, lost_messages
from zops_export.id_maps import IdMap, first_duplicate, identical
from zops_export.json_rows import JsonRow, NotJson, read_document
from zops_export.manifest import MANIFEST
from zops_export.row_conversion import Notes, RowConverter
from zops_export.text_rewriting import TextRewriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from zops_export.export_source import ExportSource

STATS = "stats.json"
HASH_BYTES = 1 << 20


class ListedFile(msgspec.Struct):
    """What a manifest says of a file."""

    sha256: str


class Manifest(msgspec.Struct):
    """What is read of a manifest."""

    files: dict[str, ListedFile]


@dataclass(slots=True)
class Checked:
    """What a check found: problems of rows, and findings about files."""

    notes: Notes = field(default_factory=Notes)
    findings: list[Finding] = field(default_factory=list)


def check_export(
    source: ExportSource, index: ExportIndex, may_go_on: Callable[[], None] = lambda: None
) -> Checked:
    """Check every row's keys and references, the numbering, and files against their records."""
    checked = Checked(check_index(source, index))
    _check_rows(source, index, checked, may_go_on)
    _check_files(source, index, checked)
    return checked


def check_index(source: ExportSource, index: ExportIndex) -> Notes:
    """What is wrong with the numbering, the links of attachments, and the numbers of rows.

    An import checks no more than this before it writes; it looks at each row on its way.
    """
    notes = Notes()
    for table, ids in sorted(index.ids.items()):
        twice = first_duplicate(ids)
        if twice is not None:
            notes.problem("duplicate-id", f"{table} has the id {twice} more than once")
    _check_attachment_links(index, notes)
    _check_counts(source, index, notes)
    return notes


def _check_rows(
    source: ExportSource, index: ExportIndex, checked: Checked, may_go_on: Callable[[], None]
) -> None:
    ids = identical(index.ids)
    for bot in index.bots:
        ids["zerver_userprofile"].add({bot["id"]: bot["id"]})  # type: ignore[dict-item]
        ids["zerver_recipient"].add({bot["recipient_id"]: bot["recipient_id"]})  # type: ignore[dict-item]
    texts = TextRewriter(ids)
    converters: dict[str, RowConverter] = {}
    for name in data_files(source):
        with blocks(source, name) as found:
            for block in found:
                may_go_on()
                table = table_of_key().get(block.table)
                if table is None or block.table == "zerver_userprofile_crossrealm":
                    continue
                if not table_facts(table).imported:
                    continue
                if table.name not in converters:
                    converters[table.name] = RowConverter(
                        table,
                        ids,
                        texts,
                        checked.notes,
                        keyed=table.name in referenced_tables(),
                        lookups=index.lookups,
                    )
                for row in block.rows:
                    converters[table.name].row(row)


def _check_attachment_links(index: ExportIndex, notes: Notes) -> None:
    targets = {"messages": "zerver_message", "scheduled_messages": "zerver_scheduledmessage"}
    for key, table in targets.items():
        known = IdMap(index.ids[table], index.ids[table]).get
        for row in index.attachments:
            for ident in _listed(row, key, notes):
                if not isinstance(ident, int) or known(ident) is None:
                    notes.problem(
                        "dangling-reference",
                        f"zerver_attachment {row['id']}: {key} {ident!r} is not in the export",
                    )


def _listed(row: JsonRow, key: str, notes: Notes) -> list[object]:
    value = row.get(key, [])
    if isinstance(value, list):
        return value
    notes.problem("bad-row", f"zerver_attachment {row['id']}: {key} is no list")
    return []


def _check_files(source: ExportSource, index: ExportIndex, checked: Checked) -> None:
    for record in index.records:
        if record.name not in source.names:
            checked.findings.append(
                Finding("missing-file", "a record names a file that is not there", record.name)
            )
    recorded = {r.row.get("s3_path") for r in index.records if r.kind == "uploads"}
    for row in index.attachments:
        if row.get("path_id") not in recorded:
            checked.findings.append(
                Finding(
                    "missing-file", "an attachment has no uploaded file", str(row.get("path_id"))
                )
            )


def _check_counts(source: ExportSource, index: ExportIndex, notes: Notes) -> None:
    """`stats.json` says how many rows there were when the export was made.

    Raises `NotAnExport` for a message file that it knows and that is not there.
    """
    if STATS not in source.names:
        return
    with source.open(STATS) as stream:
        stats = read_document(stream, STATS)
    if not isinstance(stats, dict):
        raise NotJson(f"{STATS} is no object")
    for file, counts in sorted(stats.items()):
        if not isinstance(counts, dict):
            continue
        if MESSAGE_FILE.fullmatch(f"{file}.json") and f"{file}.json" not in source.names:
            raise lost_messages(f"{file}.json")
        found = index.by_file.get(file, {})
        for key, count in counts.items():
            if found.get(key, 0) != count:
                notes.problem(
                    "rows-missing",
                    f"{file}.json has {found.get(key, 0)} rows of {key}; there were {count}",
                )


def check_manifest(
    source: ExportSource, checked: Checked, may_go_on: Callable[[], None] = lambda: None
) -> None:
    """Compare every file with the size and hash that zops wrote down when it made the export."""
    if MANIFEST not in source.names:
        return
    with source.open(MANIFEST) as stream:
        manifest = read_document(stream, MANIFEST)
    try:
        wanted = msgspec.convert(manifest, Manifest).files
    except msgspec.ValidationError as error:
        raise NotJson(f"{MANIFEST} lists no files: {error}") from error
    for name in sorted(wanted.keys() - source.names):
        checked.findings.append(Finding("missing-file", "the manifest lists it", name))
    for name, content in source.files(wanted):
        may_go_on()
        _compare(checked, name, _digest(content), wanted)


def _digest(content: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := content.read(HASH_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _compare(checked: Checked, name: str, found: str, wanted: dict[str, ListedFile]) -> None:
    if found != wanted[name].sha256:
        checked.findings.append(
            Finding("changed-file", "it is not what was exported: its checksum differs", name)
        )
