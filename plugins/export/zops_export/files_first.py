"""An archive with the copied files before all rows, in an order that a second run can repeat.

Rows are those of another moment each time, files are not: what stands before all rows comes out
the same, byte for byte, and parts of it that an object store has need not be sent again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zops_export.archive_draft import ArchiveDraft
from zops_export.archive_writing import ArchiveWriter
from zops_export.export_layout import FILE_FOLDERS, RECORDS
from zops_export.waiting_room import WaitingRoom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from zops_export.archive_packing import Piece
    from zops_export.archive_sinks import ArchiveSink
    from zops_export.drafts import Place
    from zops_export.work_folder import WorkFolder


class FilesFirstDraft(ArchiveDraft):
    """An `ArchiveDraft` that a second run can repeat."""

    def __init__(
        self, work: WorkFolder, sink: ArchiveSink, top: str, may_go_on: Callable[[], None]
    ) -> None:
        writer = FilesFirstWriter(sink, top, may_go_on, work.home)
        super().__init__(work, sink, writer)
        self._repeat = writer.repeat

    def begin(self, placed: Callable[[str, Place], None], places: Mapping[str, Place]) -> None:
        """See `Draft.begin`."""
        super().begin(placed, places)
        self._repeat(places)


class FilesFirstWriter(ArchiveWriter):
    """An `ArchiveWriter` that repeats what an earlier run wrote, as far as that is taken up.

    What is finished before its turn waits: rows until the end, and copied files until all those
    are there that the earlier run had.
    """

    def __init__(
        self, sink: ArchiveSink, top: str, may_go_on: Callable[[], None], folder: Path
    ) -> None:
        super().__init__(sink, top, may_go_on, folder)
        self._earlier: dict[str, None] = {}
        self._ready: dict[str, Callable[[], None]] = {}
        self._files = WaitingRoom(folder)
        self._rows = WaitingRoom(folder)

    def repeat(self, places: Mapping[str, Place]) -> None:
        """Expect the copied files that stand at these places, those of the last archive first."""
        copied = {name: place for name, place in places.items() if _is_copied(name)}
        order = sorted(copied, key=lambda name: (-_number(copied[name]), copied[name].offset))
        self._earlier = dict.fromkeys(order)

    def add(self, name: str, size: int, content: Piece) -> None:
        """See `ArchiveWriter.add`."""
        with self._lock:
            self._earlier.pop(name, None)
            room = self._files if _is_copied(name) else self._rows
            if room is self._files and not self._earlier:
                self._add(name, size, content)
            else:
                room.take(name, size, content)
            self._go_on()

    def add_packed(self, name: str, blocks: Iterable[bytes], crc: int, plain: int) -> None:
        """See `ArchiveWriter.add_packed`."""
        append = partial(super().add_packed, name, blocks, crc, plain)
        with self._lock:
            self._ready[name] = append
            self._go_on()

    def _go_on(self) -> None:
        """Append what has its turn."""
        while self._earlier and (first := next(iter(self._earlier))) in self._ready:
            del self._earlier[first]
            self._ready.pop(first)()
        if not self._earlier:
            self._let_out(self._files)

    def _let_out(self, room: WaitingRoom) -> None:
        for name, size, content in room.leave():
            self._add(name, size, content)

    def finish(self) -> str:
        """See `ArchiveWriter.finish`."""
        with self._lock:
            self._earlier = {name: None for name in self._earlier if name in self._ready}
            self._go_on()
            for append in self._ready.values():
                append()
            self._let_out(self._rows)
        digest = super().finish()
        self.close()
        return digest

    def close(self) -> None:
        """See `ArchiveWriter.close`."""
        super().close()
        self._files.close()
        self._rows.close()


def _is_copied(name: str) -> bool:
    folder, _, path = name.partition("/")
    return folder in FILE_FOLDERS and path != RECORDS


def _number(place: Place) -> int:
    """Archives of later runs have higher numbers."""
    return int(place.archive.rpartition("-")[2])
