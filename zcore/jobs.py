"""What a stage of an export or an import is given: the part of the job that stays as it is.

Stages are called with more than this; what is not named here may change with any version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from contextlib import AbstractContextManager

    from zcore.context import Context
    from zcore.organizations.lookup import Realm
    from zcore.rows_in import Writer
    from zcore.rows_out import Reader
    from zcore.values import Estimate, Finding


class NewFile(Protocol):
    """A file of an export while it is written; it is hashed on the way."""

    def write(self, data: bytes) -> None:
        """Add `data`."""
        ...


class ExportJob(Protocol):
    """One export. Stages run in several threads, each with connections and files of its own."""

    @property
    def context(self) -> Context:
        """The run that the export is part of."""
        ...

    @property
    def realm(self) -> Realm:
        """The organization."""
        ...

    @property
    def mode(self) -> str:
        """Which messages the export takes: "full", "public" or "consent"."""
        ...

    def read(self) -> AbstractContextManager[Reader]:
        """Borrow a connection inside the snapshot that all stages share.

        `reader.connection` is SQLAlchemy's, for reading only; `reader.copy_out(select, write)`
        streams a column of text. Waits until a connection is free.
        """
        ...

    def open(self, name: str) -> AbstractContextManager[NewFile]:
        """A new file of the export, by its relative path inside.

        Raises `Failed` when there is one of that name, or the name leads outside.
        """
        ...

    def find(self, finding: Finding) -> None:
        """Note something that was left out or is wrong: the export then ends with exit code 5."""
        ...

    def advance(self, *, rows: int = 0, files: int = 0) -> None:
        """Say that so many more rows and files are done: for the progress display."""
        ...

    def expect(self, estimate: Estimate) -> None:
        """Say what the stage found out that it has to do in all: for the time that is left."""
        ...

    def may_go_on(self) -> None:
        """Raise `Interrupted` when asked to stop: to be called between two units of work."""
        ...


class Export(Protocol):
    """The export that an import reads."""

    @property
    def names(self) -> frozenset[str]:
        """The relative paths of all its files."""
        ...

    def open(self, name: str) -> BinaryIO:
        """One of its JSON files. Raises `Refused` when it is not there."""
        ...

    def files(self, wanted: Container[str]) -> Iterator[tuple[str, BinaryIO]]:
        """Name and content of each wanted file of the others, in any order."""
        ...


class AdaptedExport(Protocol):
    """What an adapter (`zcore.ImportAdapter`) may know of the export that its row is of."""

    @property
    def realm(self) -> Mapping[str, object]:
        """The row of the organization, as it stands there."""
        ...

    def system_group(self, name: str) -> int:
        """The id in the export of a system group (`role:members`).

        Also in an export without such groups: the import makes them. Raises `Refused` when there
        are others, and no such.
        """
        ...

    def value(self, table: str, ident: object, key: str) -> object:
        """What the row of that id has under a key of its `looks_up`; None when there is none."""
        ...


class ImportJob(Protocol):
    """One import: stages run one after the other, inside one transaction."""

    @property
    def context(self) -> Context:
        """The run that the import is part of."""
        ...

    @property
    def source(self) -> Export:
        """What is imported."""
        ...

    @property
    def writer(self) -> Writer:
        """The transaction: `writer.connection` is SQLAlchemy's, `copy_in` writes in bulk."""
        ...

    @property
    def realm_id(self) -> int:
        """The id of the new organization, once the stage `realm-rows` has run."""
        ...

    def new_id(self, table: str, old_id: int) -> int | None:
        """The id that a row of the export has here; None when it has no such row.

        Raises `KeyError` for a table whose rows nothing in an export leads to.
        """
        ...

    def rewrite(
        self, table: str, change: Callable[[dict[str, object]], dict[str, object] | None]
    ) -> None:
        """Let `change` see every row of `table` as the export has it, before it is written.

        It gives a row back, or None to leave the row out, which is a problem when others lead to
        it. For stages that run before `realm-rows`. It is called in another thread than the stage,
        for one row at a time, while the database is busy with the rows before: it cannot ask it
        anything. Raises `KeyError` for a table that exports do not have.
        """
        ...

    def find(self, finding: Finding) -> None:
        """Note something that was skipped or repaired: the import then ends with exit code 5."""
        ...

    def on_failure(self, undo: Callable[[], None]) -> None:
        """Do `undo` when the import fails: what a database does not take back by itself."""
        ...

    def advance(self, *, rows: int = 0, files: int = 0) -> None:
        """Say that so many more rows and files are done: for the progress display."""
        ...

    def expect(self, estimate: Estimate) -> None:
        """Say what the stage found out that it has to do in all: for the time that is left."""
        ...

    def may_go_on(self) -> None:
        """Raise `Interrupted` when asked to stop: to be called between two units of work."""
        ...
