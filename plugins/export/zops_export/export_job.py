"""What the stages of one export share."""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from zcore import Failed
from zcore.crash_points import crash_point
from zcore.database_errors import translated
from zcore.files import open_stores
from zcore.stage_progress import StageProgress
from zops_export.privacy import Privacy
from zops_export.written_files import BUFFER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import zcore
    from zcore import Context, Estimate, Finding, Stage
    from zcore.files import Fetched, FileStores, StoredFile, StorePair
    from zcore.journal import StageReport
    from zcore.organizations.lookup import Realm
    from zcore.rows_out import Reader, Snapshot
    from zops_export.drafts import Draft
    from zops_export.export_journal import ExportJournal
    from zops_export.rewrites import Rewrites
    from zops_export.selection import Selection
    from zops_export.server_version import ServerVersion
    from zops_export.written_files import HashingFile, WrittenFile


def rows_by_table(rows: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Rows of each table, of rows by file of the export and table."""
    total: dict[str, int] = defaultdict(int)
    for counts in rows.values():
        for table, count in counts.items():
            total[table] += count
    return dict(sorted(total.items()))


class ExportJob:
    """One export: the realm, one moment of the database, the draft that it is written to.

    `rows` counts what was written, by file of the export and table; `reports` are the stages that
    are done, out of `stages`. Stages run in several threads: each adds only under its own file
    names. A dry run has no draft, but the rows that are expected under each key of the export.
    """

    def __init__(
        self,
        context: Context,
        realm: Realm,
        selection: Selection,
        rewrites: Rewrites,
        snapshot: Snapshot,
        server: ServerVersion,
        privacy: Privacy = Privacy.SERVER,
    ) -> None:
        self.context = context
        self.realm = realm
        self.server = server
        self.stages: tuple[Stage, ...] = ()
        self.selection = selection
        self.rewrites = rewrites
        self.privacy = privacy
        self.rows: dict[str, dict[str, int]] = defaultdict(dict)
        self.findings: list[Finding] = []
        self.reports: list[StageReport] = []
        self.missing_uploads: set[str] = set()
        self.fail_on_missing_file = False
        self.expected_rows: Mapping[str, int] = {}
        self.progress = StageProgress()
        self._stage = ""
        self._snapshot = snapshot
        self._places: tuple[Draft, ExportJournal] | None = None
        self._lock = threading.Lock()

    def begin(self, draft: Draft, journal: ExportJournal) -> None:
        """Write to `draft` from now on."""
        self._places = draft, journal
        journal.found = self.add_finding

    def for_stage(self, stage: str) -> Self:
        """The same job, for one stage: what it writes and finds is written down as the stage's."""
        view = copy.copy(self)
        view._stage = stage
        return view

    @property
    def draft(self) -> Draft:
        """Where it is written. Raises `Failed` in a dry run."""
        return self._written_to[0]

    @property
    def journal(self) -> ExportJournal:
        """What is written down of it. Raises `Failed` in a dry run."""
        return self._written_to[1]

    @property
    def _written_to(self) -> tuple[Draft, ExportJournal]:
        if self._places is None:
            raise Failed("a dry run writes nothing: an estimate is made by looking")
        return self._places

    @property
    def written(self) -> Mapping[str, WrittenFile]:
        """Every finished file of the export, by its path inside."""
        return self.draft.files

    @property
    def mode(self) -> str:
        """Which messages are taken: "full", "public" or "consent"."""
        return self.selection.mode.name.lower()

    @property
    def dialect(self) -> str:
        """ "postgresql" or "sqlite"."""
        return self.context.database.dialect

    @property
    def readers(self) -> int:
        """How many connections there are to read with, side by side."""
        return self._snapshot.readers

    @property
    def moment(self) -> datetime:
        """The moment of the database that it shows, in UTC."""
        return self._snapshot.moment

    @property
    def moment_taken(self) -> str:
        """In words, how that moment was held."""
        return self._snapshot.taken

    @property
    def files(self) -> FileStores:
        """Where the server keeps its files."""
        return self.context.files

    @property
    def stores(self) -> StorePair:
        """The same to look into: what `files` makes where it is missing is not made."""
        return open_stores(self.context.settings, self.context.database, self.context.plugins)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Borrow a connection inside the snapshot. Waits until one is free."""
        with translated(self.context.database), self._snapshot.reader() as reader:
            yield reader

    @contextmanager
    def open(self, name: str) -> Iterator[HashingFile]:
        """A new file of the export."""
        with self.progress.writing(self._stage) as written, self.draft.open(name) as file:
            written.append(file)
            yield file
        self.journal.wrote(self._stage, self.written[name])

    def copy(
        self, name: str, *, find: Callable[[], StoredFile | None], fetch: Callable[[], Fetched]
    ) -> StoredFile:
        """A new file of the export with what `fetch` gives; what the store knows of it.

        A copy that an earlier run made is taken up, when what `find` gives has not changed since.
        """
        stored = find() if self.journal.has_copy(name) else None
        if stored is None or not self.journal.take_up(name, stored):
            stored, content = fetch()
            with content, self.draft.open(name) as file:
                while block := content.read(BUFFER_BYTES):
                    file.write(block)
            self.journal.wrote(self._stage, self.written[name], stored)
        crash_point(f"copied:{name}")
        size = self.written[name].size
        self.progress.advance(self._stage, files=1, size=size)
        return replace(stored, size=size)

    def find(self, finding: Finding) -> None:
        """Note something that was left out or is wrong."""
        self.add_finding(finding)
        self.journal.find(self._stage, finding)

    def add_finding(self, finding: Finding) -> None:
        """Note a finding that an earlier run, or nobody in particular, made."""
        with self._lock:
            self.findings.append(finding)

    def advance(self, *, rows: int = 0, files: int = 0) -> None:
        """So many more rows and files are done: for the progress display."""
        self.progress.advance(self._stage, rows=rows, files=files)

    def expect(self, estimate: Estimate) -> None:
        """Say what the stage has to do in all: for the time that is left."""
        self.progress.expect(self._stage, estimate)

    def may_go_on(self) -> None:
        """Raise `zcore.Interrupted` when a signal asked us to stop."""
        self.context.stop.check()

    def rows_by_table(self) -> dict[str, int]:
        """Rows of each table of the export."""
        return rows_by_table(self.rows)


if TYPE_CHECKING:

    def _keeps_the_contract(job: ExportJob) -> zcore.ExportJob:
        return job
