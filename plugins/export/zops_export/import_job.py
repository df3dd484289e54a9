"""What the stages of one import share."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore import Context, Finding, Refused, ZopsError
from zops_export.row_conversion import Notes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.files import FileStores
    from zcore.rows_in import Writer
    from zops_export.export_index import ExportIndex
    from zops_export.export_source import ExportSource
    from zops_export.id_maps import IdMap

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the command line asks for. `name` None: the organization keeps its own."""

    subdomain: str
    path: Path
    name: str | None = None
    allow_reserved_subdomain: bool = False
    dry_run: bool = False


class ImportJob:
    """One import: the export, the one transaction, the ids, and where files go.

    `upload_paths` gives the new path of each old one that is really there; `written` counts rows
    by table; `ids` is filled before the first row is converted.
    """

    def __init__(
        self,
        context: Context,
        options: ImportOptions,
        source: ExportSource,
        index: ExportIndex,
        writer: Writer,
        files: FileStores,
    ) -> None:
        self.context = context
        self.options = options
        self.source = source
        self.index = index
        self.writer = writer
        self.files = files
        self.ids: dict[str, IdMap] = {}
        self.upload_paths: dict[str, str] = {}
        self.written: dict[str, int] = defaultdict(int)
        self.notes = Notes()
        self.findings: list[Finding] = []
        self.file_count = 0
        self._undo: list[Callable[[], None]] = []

    @property
    def realm_id(self) -> int:
        """The id of the new organization. There once its ids are reserved."""
        found = self.ids["zerver_realm"].get(self.index.ids["zerver_realm"][0])
        if found is None:
            raise KeyError("zerver_realm")
        return found

    def is_free(self, realm_id: int) -> bool:
        """Is there no file of an organization with that number?

        There is one where an import was killed, or where the files are another database's: they
        must not be mixed with ours, nor deleted when this import fails.
        """
        stores = (self.files.uploads, self.files.avatars)
        return not any(next(store.list(str(realm_id)), None) for store in stores)

    def may_go_on(self) -> None:
        """Raise `zcore.Interrupted` when a signal asked us to stop."""
        self.context.stop.check()

    def refuse_if_problems(self) -> None:
        """Raise `Refused` with what made rows unusable, all of it at once."""
        refuse_if_problems(self.source.path, self.notes)

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Do `undo` when the import fails: what a database does not take back by itself."""
        self._undo.append(undo)

    def take_back(self) -> None:
        """Undo what was done outside of the database, the last first; say what could not be."""
        while self._undo:
            try:
                self._undo.pop()()
            except ZopsError as error:
                self.context.console.warn(f"not everything was taken back: {error.message}")


def refuse_if_problems(path: Path, notes: Notes) -> None:
    """Raise `Refused` when `notes` has problems: the first ones, and how many there are."""
    if not notes.problem_count:
        return
    more = notes.problem_count - MOST_SHOWN
    raise Refused(
        f"the export {path} cannot be imported: {notes.problem_count} problems"
        if notes.problem_count > 1
        else f"the export {path} cannot be imported: {notes.problems[0].message}",
        code="bad-export",
        hint=f"and {more} more" if more > 0 else notes.problems[0].hint,
        problems=notes.problems[:MOST_SHOWN] if notes.problem_count > 1 else (),
    )
