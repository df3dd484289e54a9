"""What the stages of one import share."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from zcore import Change, Context, Failed, Finding, ZopsError
from zcore.stage_progress import StageProgress
from zops_export.import_places import upload_token_of
from zops_export.like_server import GroupCreators
from zops_export.notes import Notes
from zops_export.refusing import refuse_if_problems
from zops_export.row_rewrites import RowChange, RowRewrites

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import zcore
    from zcore import Estimate
    from zcore.files import FileStores
    from zcore.rows_in import Writer
    from zops_export.export_source import ExportSource
    from zops_export.first_look import FirstLook
    from zops_export.id_maps import IdMap
    from zops_export.import_journal import Entry


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the command line asks for. `name` None: the organization keeps its own.

    `path` is a folder, an archive, or the address `s3://bucket/key` of one, which stays text.
    `processes` is how many files are stored at a time; None: as many as suit the store.
    `strict`: what could be mended refuses the import.
    `destroy` are the organizations that the database is to lose first; None: it is to lose nothing.
    """

    subdomain: str
    path: Path | str
    name: str | None = None
    allow_reserved_subdomain: bool = False
    dry_run: bool = False
    exclusive: bool = False
    processes: int | None = None
    strict: bool = False
    ignore_free_space: bool = False
    like_server: bool = False
    destroy: tuple[str, ...] | None = None


class ImportJob:
    """One import: the export, the one transaction, the ids, and where files go.

    `upload_paths` gives the new path of each old one that is really there; `written` counts rows
    by table, `rewritten` what has new numbers in texts; `ids` is filled before the first row is
    converted. `file_count` files were copied, `made_count` pictures made of them, `image_count`
    uploads seen to be images. `looked` is what the first phase found, `entry` what the journal
    knows of it, `destroyed` what is to be told of organizations that are not there any more. A dry
    run has only the export.
    """

    def __init__(
        self, context: Context, options: ImportOptions, source: ExportSource, looked: FirstLook
    ) -> None:
        self.context = context
        self.options = options
        self.source = source
        self.looked = looked
        self.index = looked.index
        self.progress = StageProgress()
        self.entry: Entry | None = None
        self.destroyed: list[Change] = []
        self._places: tuple[Writer, FileStores] | None = None
        self.ids: dict[str, IdMap] = {}
        self.upload_paths: dict[str, str] = {}
        self.written: dict[str, int] = defaultdict(int)
        self.notes = Notes(mends=True)
        self.findings: list[Finding] = []
        self.rewritten: Counter[str] = Counter()
        self.file_count = 0
        self.made_count = 0
        self.image_count = 0
        self.creators = GroupCreators()
        self.rewrites = RowRewrites()
        self._undo: list[Callable[[], None]] = []

    @property
    def reserved(self) -> dict[str, Sequence[int]]:
        """Numbers that were reserved before the transaction began, by table."""
        if self.entry is None:
            raise Failed("a dry run reserves no numbers: an estimate is made by looking")
        found: dict[str, Sequence[int]] = {"zerver_realm": [self.entry.realm_id]}
        if (users := self.entry.users) is not None:
            found["zerver_userprofile"] = users
        return found

    def new_upload_key(self, name: str, old_path: str) -> str:
        """The key of an uploaded file called `name`, the same in a second run of this import."""
        token = None if self.entry is None else upload_token_of(self.entry.seed, old_path)
        return self.context.files.new_upload_key(self.realm_id, name, token)

    def begin(self, writer: Writer, files: FileStores) -> None:
        """Write into this transaction, and these stores, from now on."""
        self._places = writer, files

    def for_stage(self, stage: str) -> Self:
        """The same job: the stages of an import have no results of their own."""
        return self

    @property
    def writer(self) -> Writer:
        """The transaction. Raises `Failed` in a dry run."""
        return self._begun[0]

    @property
    def files(self) -> FileStores:
        """Where files go. Raises `Failed` in a dry run."""
        return self._begun[1]

    @property
    def _begun(self) -> tuple[Writer, FileStores]:
        if self._places is None:
            raise Failed("a dry run writes nothing: an estimate is made by looking")
        return self._places

    @property
    def realm_id(self) -> int:
        """The id of the new organization. There once its ids are reserved."""
        found = self.ids["zerver_realm"].get(self.index.ids["zerver_realm"][0])
        if found is None:
            raise KeyError("zerver_realm")
        return found

    def new_id(self, table: str, old_id: int) -> int | None:
        """The id that a row of the export has here; None when it has no such row.

        Raises `KeyError` for a table whose rows nothing in an export leads to.
        """
        return self.ids[table].get(old_id)

    def rewrite(self, table: str, change: RowChange) -> None:
        """See `zcore.ImportJob`."""
        self.rewrites.add(table, change)

    def find(self, finding: Finding) -> None:
        """Note something that was skipped or repaired."""
        self.findings.append(finding)

    def advance(self, *, rows: int = 0, files: int = 0) -> None:
        """So many more rows and files are done: for the progress display."""
        self.progress.advance(rows=rows, files=files)

    def expect(self, estimate: Estimate) -> None:
        """Say what the stage has to do in all: for the time that is left."""
        self.progress.expect("", estimate)

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


if TYPE_CHECKING:

    def _keeps_the_contract(job: ImportJob) -> zcore.ImportJob:
        return job
