"""What the stages of one export share."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from zcore.database_errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore import Context, Finding
    from zcore.files import FileStores
    from zcore.organizations.lookup import Realm
    from zcore.pipeline import StageReport
    from zcore.rows_out import Reader, Snapshot
    from zops_export.selection import Mode, Selection
    from zops_export.work_folder import HashingFile, WorkFolder


class ExportJob:
    """One export: the realm, one moment of the database, the folder it is written to.

    `rows` counts what was written, by file of the export and table; `reports` are the stages that
    are done. Stages run in several threads: each adds only under its own file names.
    """

    def __init__(
        self,
        context: Context,
        realm: Realm,
        selection: Selection,
        snapshot: Snapshot,
        folder: WorkFolder,
    ) -> None:
        self.context = context
        self.realm = realm
        self.selection = selection
        self.folder = folder
        self.rows: dict[str, dict[str, int]] = defaultdict(dict)
        self.findings: list[Finding] = []
        self.reports: list[StageReport] = []
        self.missing_uploads: set[str] = set()
        self._snapshot = snapshot
        self._lock = threading.Lock()

    @property
    def mode(self) -> Mode:
        """Which messages are taken."""
        return self.selection.mode

    @property
    def dialect(self) -> str:
        """ "postgresql" or "sqlite"."""
        return self.context.database.dialect

    @property
    def readers(self) -> int:
        """How many connections there are to read with, side by side."""
        return self._snapshot.readers

    @cached_property
    def files(self) -> FileStores:
        """Where the server keeps its files."""
        return self.context.files

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Borrow a connection inside the snapshot. Waits until one is free."""
        with translated(self.context.database), self._snapshot.reader() as reader:
            yield reader

    def open(self, name: str) -> AbstractContextManager[HashingFile]:
        """A new file of the export."""
        return self.folder.open(name)

    def find(self, finding: Finding) -> None:
        """Note something that was left out or is wrong."""
        with self._lock:
            self.findings.append(finding)

    def may_go_on(self) -> None:
        """Raise `zcore.Interrupted` when a signal asked us to stop."""
        self.context.stop.check()

    def rows_by_table(self) -> dict[str, int]:
        """Rows of each table of the export."""
        total: dict[str, int] = defaultdict(int)
        for counts in self.rows.values():
            for table, count in counts.items():
                total[table] += count
        return dict(sorted(total.items()))
