"""Is an export coherent? Its rows looked at one by one, without a database."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from zcore import Finding
from zcore.schema import tables
from zcore.schema.facts import table_facts
from zops_export.adapting import NEW_GROUPS
from zops_export.export_index import (
    ExportIndex,
    referenced_tables,
    table_of_key,
)
from zops_export.export_layout import is_message_file, lost_messages
from zops_export.id_maps import IdMap, first_duplicate, identical
from zops_export.json_rows import JsonRow, NotJson, Rows, read_document
from zops_export.row_conversion import RowConverter
from zops_export.secret_keys import is_secret_table
from zops_export.text_rewriting import TextRewriter

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from zops_export.export_source import ExportSource
    from zops_export.message_checks import SeenMessages
    from zops_export.notes import Notes

STATS = "stats.json"
CROSS_REALM = "zerver_userprofile_crossrealm"
OF_BOTS = {"zerver_userprofile": "id", "zerver_recipient": "recipient_id"}
LINKS = {"messages": "zerver_message", "scheduled_messages": "zerver_scheduledmessage"}


class _SameTexts(TextRewriter):
    """Where every id stays as it is, so does every text."""

    def html(self, text: str) -> str:
        return str.__str__(text)


class RowChecks:
    """Notes what is wrong with rows: their keys, their values, what they point at.

    `seen` answers for messages while not all of them are known.
    """

    def __init__(self, index: ExportIndex, notes: Notes, seen: SeenMessages | None = None) -> None:
        self.ids: dict[str, IdMap] = identical(index.ids)
        if seen is not None:
            self.ids["zerver_message"] = seen  # type: ignore[assignment]  # it answers in the same way
        if not index.system_groups:  # an import makes them
            self.ids["zerver_usergroup"].add({ident: ident for ident in NEW_GROUPS.values()})
        for bot in index.bots:
            self.ids["zerver_userprofile"].add({bot["id"]: bot["id"]})  # type: ignore[dict-item]
            self.ids["zerver_recipient"].add({bot["recipient_id"]: bot["recipient_id"]})  # type: ignore[dict-item]
        self._index = index
        self._notes = notes
        self._texts = _SameTexts(self.ids)
        self._converters: dict[str, RowConverter] = {}

    def check(self, block: Rows) -> None:
        """Check the rows of a block."""
        table = table_of_key().get(block.table)
        if table is None:
            self._check_unknown(block)
        elif block.table != CROSS_REALM and table_facts(table).imported:
            convert = self._converter(table.name).row
            for row in block.rows:
                convert(row)
            if table.name == "zerver_attachment":
                self._check_links(block)

    def _converter(self, name: str) -> RowConverter:
        if name not in self._converters:
            self._converters[name] = RowConverter(
                table_of_key()[name],
                self.ids,
                self._texts,
                self._notes,
                keyed=name in referenced_tables(),
                lookups=self._index.lookups,
            )
        return self._converters[name]

    def _check_unknown(self, block: Rows) -> None:
        """Tables that no export has are counted, but for those that let somebody in."""
        if not block.rows:
            return
        if not is_secret_table(block.table):
            self._notes.unknown_table(block.table, len(block.rows))
        else:
            self._notes.problem(
                "secret",
                f"{block.table} has rows, which no export may carry: they let people in",
                hint="give the export to nobody, and find out who put them there",
                row=block.table,
            )

    def _check_links(self, block: Rows) -> None:
        for row in block.rows:
            for key, table in LINKS.items():
                check_links(row, key, self.ids[table], self._notes)


def check_links(row: JsonRow, key: str, known: IdMap, notes: Notes) -> None:
    """Note links of an attachment that lead nowhere, or are there twice."""
    place = f"zerver_attachment {row.get('id')}"
    listed = row.get(key, [])
    if not isinstance(listed, list):
        notes.problem("bad-row", f"{place}: {key} is no list", row=place)
        return
    seen: set[int] = set()
    for ident in listed:
        if not isinstance(ident, int) or known.get(ident) is None:
            what = f"{place}: {key} {ident!r} is not in the export"
            notes.problem("dangling-reference", what, row=place)
        elif ident in seen:
            what = f"{place}: {key} {ident} stands there twice"
            notes.problem("duplicate-row", what, row=place)
        else:
            seen.add(ident)


def check_index(source: ExportSource, index: ExportIndex, notes: Notes) -> None:
    """Note what is wrong with the numbering, and with the numbers of rows.

    Raises `NotJson` when nobody can read what those were.
    """
    for table, ids in sorted(index.ids.items()):
        bots = _of_bots(index, table)
        twice = first_duplicate(array("q", [*ids, *bots]) if bots else ids)
        if twice is not None:
            notes.file = file_of(index, table)
            what = f"{table} has the id {twice} more than once"
            notes.problem("duplicate-id", what, row=f"{table} {twice}")
    _check_counts(source, index, notes)


def _of_bots(index: ExportIndex, table: str) -> list[int]:
    """What is known of the system bots, which are rows of another organization."""
    key = OF_BOTS.get(table)
    found = {bot[key] for bot in index.bots} if key is not None else set()
    return [ident for ident in found if isinstance(ident, int)]


def file_of(index: ExportIndex, table: str) -> str:
    """The first file of the export with rows of the table."""
    keys = table_facts(tables[table]).keys
    files = (file for file, counts in index.by_file.items() if counts.keys() & set(keys))
    return f"{next(files, 'realm')}.json"


def lost_files(names: Container[str], index: ExportIndex) -> Iterator[Finding]:
    """What of the files that records and attachments name is not in the export."""
    for record in index.records:
        if record.name not in names:
            yield Finding("missing-file", "a record names a file that is not there", record.name)
    uploads = (record.row for record in index.records if record.kind == "uploads")
    recorded = {str(row.get("s3_path")) for row in uploads}
    for row in index.attachments:
        if str(row.get("path_id")) not in recorded:
            what = "an attachment has no uploaded file"
            yield Finding("missing-file", what, str(row.get("path_id")))


def odd_files(sizes: Mapping[str, int], index: ExportIndex) -> Iterator[Finding]:
    """What records say of files that are there, and that is not so."""
    seen: set[str] = set()
    for record in index.records:
        said = record.row.get("size")
        there = sizes.get(record.name)
        if record.name in seen:
            what = "it has two records: two exports may have been mixed"
            yield Finding("duplicate-record", what, record.name)
        elif there is not None and isinstance(said, int) and said != there:
            what = f"it has {there:,} bytes, and its record says {said:,}"
            yield Finding("wrong-size", what, record.name)
        seen.add(record.name)


def _check_counts(source: ExportSource, index: ExportIndex, notes: Notes) -> None:
    """`stats.json` says how many rows there were when the export was made.

    Raises `NotJson` when nobody can read what it says.
    """
    if STATS not in source.names:
        return
    with source.open(STATS) as stream:
        stats = read_document(stream, STATS)
    if not isinstance(stats, dict):
        raise NotJson(f"{STATS} is no object")
    for name in sorted(f"{file}.json" for file in stats):
        if is_message_file(name) and name not in source.names:
            lost, notes.file = lost_messages(name), name
            notes.problem(lost.code, lost.message, lost.hint)
            del stats[name.removesuffix(".json")]  # of which there are no rows, which is said now
    check_counts(stats, index, notes)


def check_counts(stats: Mapping[str, object], index: ExportIndex, notes: Notes) -> None:
    """Note the tables that have another number of rows than `stats.json` says."""
    for file, counts in sorted(stats.items()):
        found = index.by_file.get(file, {})
        for key, count in counts.items() if isinstance(counts, dict) else ():
            if found.get(key, 0) != count:
                notes.file = f"{file}.json"
                notes.problem(
                    "rows-missing",
                    f"{file}.json has {found.get(key, 0)} rows of {key}; there were {count}",
                    row=key,
                )
