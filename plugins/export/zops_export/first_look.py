"""The first phase of every import: the whole export is looked through before anything is written.

The files of messages, which are nearly all of an export, are read once: their rows are checked
while their ids are collected. All else is read twice, because its rows point at each other, and at
messages. Whatever is wrong is noted, all of it, with its file and row.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from zops_export.adapting import Adapting
from zops_export.checking import CROSS_REALM, RowChecks, check_index, lost_files, odd_files
from zops_export.export_index import (
    DATA_FILES,
    SORT_BY_DATE,
    FileRecord,
    has_one_realm,
    missing_keys,
    most_files,
    new_index,
    sum_up,
    table_of_key,
    take_block,
)
from zops_export.export_layout import FILE_FOLDERS, RECORDS
from zops_export.group_checks import GroupChecks
from zops_export.json_rows import (
    NotJson,
    Rows,
    TypedRows,
    read_blocks,
    read_document,
    read_records,
)
from zops_export.message_checks import MessageChecks, SeenMessages, message_kinds
from zops_export.refusing import passed_over
from zops_export.row_changes import staff_finding
from zops_export.row_kinds import MESSAGES
from zops_export.sums import Sums
from zops_export.survey import MIGRATIONS, STATS, version_in
from zops_export.unique_checks import UniqueChecks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import sqlalchemy as sa

    from zcore import Finding
    from zcore.plugins import Plugins
    from zops_export.export_source import ExportSource
    from zops_export.notes import Notes

TRUE = "true"
USERS = "zerver_userprofile"


class FirstLook:
    """Looks through one export: `thorough`, also for what is rare and takes long to look for.

    `index` is what it holds, `adapting` what was adapted on the way.

    `notes` get what is wrong. Where that is so, not all of it may be known: after a file that
    cannot be read, nothing is said about what rows point at. `adapted` counts rows by the
    adapters that were asked about them; `seconds`: how long it took; `staff`: who loses power
    over a whole server, which an import says when it writes;
    `differences` of the database's schema that matter, which a dry run finds out.
    """

    def __init__(
        self,
        source: ExportSource,
        plugins: Plugins,
        notes: Notes,
        may_go_on: Callable[[], None] = lambda: None,
        *,
        thorough: bool = True,
    ) -> None:
        self.index = new_index()
        self.index.most_files = most_files(source.names)
        self.adapting = Adapting(plugins, self.index, notes)
        self._source = source
        self.notes = notes
        self._may_go_on = may_go_on
        self._thorough = thorough
        self._sums = Sums(source, notes)
        self._broken = False
        self.adapted: dict[str, int] = {}
        self.seconds = 0.0
        self.differences: list[Finding] = []
        self.staff: list[Finding] = []

    @property
    def is_known(self) -> bool:
        """Could everything be read that says what there is?"""
        return not self._broken

    def look(self) -> None:
        """Read all of it."""
        began = time.monotonic()
        for name in DATA_FILES:
            if name in self._source.names:
                self._collect(name)
        self._records()
        sum_up(self.index)
        seen = self._messages() if self._has_all() else None
        self._sums.compare_sizes()
        if seen is not None and not self._broken:
            sum_up(self.index)
            with self._reading(STATS, needed=False):
                check_index(self._source, self.index, self.notes)
            self._rows()
            self._name_lost(seen)
        self._version()
        self.notes.file = ""
        self.adapted = dict(self.adapting.used)
        self.adapting.settle()
        self.seconds = time.monotonic() - began

    def findings(self) -> list[Finding]:
        """What was mended, what of it is not imported, and what seems to be another file."""
        mended = (one.as_finding() for one in self.notes.mended)
        odd = odd_files(self._source.sizes, self.index)
        return [*mended, *passed_over(self.notes), *odd]

    def compared(self, name: str, content: BinaryIO) -> BinaryIO:
        """The same content; reading it to its end raises `NotAnExport` when it was changed."""
        return self._sums.compared(name, content)

    def compare_files(self) -> None:
        """Note uploaded files that are not what the manifest says: reads all of them."""
        self._sums.compare_files(self._may_go_on)

    def lost_files(self) -> list[Finding]:
        """What of the files that records and attachments name is not there."""
        return list(lost_files(self._source.names, self.index))

    # What there is ------------------------------------------------------------------------------

    def _collect(self, name: str) -> None:
        words: dict[str, str] = {}
        with self._reading(name), self._sums.opened(name) as stream:
            for block in read_blocks(stream, name, {}, words):
                self._may_go_on()
                take_block(self.index, block, name)
                self.adapting.take(block)
        self.index.sort_by_date |= words.get(SORT_BY_DATE) == TRUE

    def _records(self) -> None:
        for kind in FILE_FOLDERS:
            name = f"{kind}/{RECORDS}"
            if name in self._source.names:
                with self._reading(name), self._sums.opened(name) as stream:
                    records = read_records(stream, name, self.index.most_files)
                    self.index.records.extend([FileRecord(kind, row) for row in records])

    @contextmanager
    def _reading(self, name: str, *, needed: bool = True) -> Iterator[None]:
        """What is no JSON of an export is noted, and the next file is looked at.

        `needed`: without it nothing can be said of what rows point at.
        """
        self.notes.file = name
        try:
            yield
        except NotJson as error:
            self._broken |= needed
            self.notes.file = name
            self.notes.problem(error.code, error.message, error.hint)

    def _version(self) -> None:
        """Which server wrote the export is in a file that has to be one, where it is there."""
        if MIGRATIONS in self._source.names:
            with self._reading(MIGRATIONS), self._source.open(MIGRATIONS) as stream:
                version_in(read_document(stream, MIGRATIONS), MIGRATIONS)

    def _has_all(self) -> bool:
        if self._broken:
            return False
        self.notes.file = "realm.json"
        missing = missing_keys(self.index, self._source.names)
        for key in missing:
            self.notes.problem("missing-table", f"it has no {key}", row=key)
        if not missing and not has_one_realm(self.index):
            self.notes.problem("one-realm", "it must hold exactly one organization")
            missing.append("zerver_realm")
        self._broken = bool(missing)
        return not missing

    # Messages -----------------------------------------------------------------------------------

    def _messages(self) -> SeenMessages:
        seen = SeenMessages()
        rows = RowChecks(self.index, self.notes, seen)
        checks = MessageChecks(rows, seen, self.notes, thorough=self._thorough)
        kinds = message_kinds()
        for name in self._source.message_files:
            self._may_go_on()
            checks.begin(name)
            with self._reading(name), self._sums.opened(name) as stream:
                blocks = self._counted(read_blocks(stream, name, kinds), name, checks)
                for block in self.adapting.adapted(blocks):
                    self._may_go_on()
                    checks.check(block)
        return seen

    def _counted(
        self, blocks: Iterable[Rows | TypedRows], name: str, checks: MessageChecks
    ) -> Iterator[Rows | TypedRows]:
        """The blocks of a message file, with their ids taken on the way."""
        ids = self.index.ids[MESSAGES]
        for block in blocks:
            before = len(ids)
            take_block(self.index, block, name)
            checks.take(ids[before:])
            if block.table == MESSAGES and self.index.sort_by_date:
                self.index.dates.extend(map(_date, block.rows))
            yield block

    # Everything else ----------------------------------------------------------------------------

    def _rows(self) -> None:
        checks, unique = RowChecks(self.index, self.notes), UniqueChecks()
        groups = GroupChecks()
        for table, block in self._adapted_rows():
            checks.check(block)
            if table is not None and block.table != CROSS_REALM:
                unique.take(table, block.rows)
                groups.take(table.name, block.rows)
                if table.name == USERS:
                    self.staff += filter(None, map(staff_finding, block.rows))
        self.notes.file = "realm.json"
        groups.check(self.notes)
        if suspects := unique.suspects():
            for table, block in self._adapted_rows():
                if table is not None and table.name in suspects and block.table != CROSS_REALM:
                    for row in block.rows:
                        suspects[table.name].look(table.name, row, self.notes)

    def _adapted_rows(self) -> Iterator[tuple[sa.Table | None, Rows]]:
        """All rows but those of message files, as zops knows them."""
        for name in DATA_FILES:
            if name not in self._source.names:
                continue
            self.notes.file = name
            with self._source.open(name) as stream:
                for block in self.adapting.adapted(read_blocks(stream, name, {})):
                    self._may_go_on()
                    if isinstance(block, Rows):  # as all are without kinds
                        yield table_of_key().get(block.table), block

    def _name_lost(self, seen: SeenMessages) -> None:
        """Name the rows that point at messages of other files which are not there."""
        checks = RowChecks(self.index, self.notes)
        find = checks.ids[MESSAGES].get
        for name, ids in seen.elsewhere.items():
            lost = {ident for ident in ids if find(ident) is None}
            if not lost:
                continue
            self.notes.file = name
            with self._source.open(name) as stream:
                for block in self.adapting.adapted(read_blocks(stream, name, {})):
                    rows = [
                        row
                        for row in block.rows
                        if isinstance(row, dict) and row.get("message") in lost
                    ]
                    checks.check(Rows(block.table, rows))


def _date(row: object) -> int:
    found = row.get("date_sent") if isinstance(row, dict) else row.date_sent  # type: ignore[attr-defined]
    return int(found) if isinstance(found, int | float) else 0
