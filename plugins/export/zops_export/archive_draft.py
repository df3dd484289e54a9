"""An export that becomes an archive: no file of it is ever unpacked on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from zcore import Failed
from zops_export.archive_packing import PackedPiece
from zops_export.archive_sinks import FileSink
from zops_export.archive_writing import SUFFIX, ArchiveWriter
from zops_export.spools import READ_BYTES
from zops_export.stored_blocks import is_packed_already
from zops_export.written_files import HashingFile, WrittenFile, require_name, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from zops_export.archive_sinks import ArchiveSink
    from zops_export.drafts import KeptFile, Place
    from zops_export.work_folder import WorkFolder

UNFINISHED = "archive-"


class ArchiveDraft:
    """The export goes to `sink` as an archive; see `zops_export.drafts.Draft`.

    The work folder holds what has to wait, and unfinished archives of earlier runs.
    """

    def __init__(self, work: WorkFolder, sink: ArchiveSink, writer: ArchiveWriter) -> None:
        self._work = work
        self._sink = sink
        self._writer = writer
        self._names: set[str] = set()
        self._folders: set[str] = set()
        self._lock = threading.Lock()
        self.files: dict[str, WrittenFile] = {}

    @property
    def size(self) -> int:
        """Bytes of the archive, so far."""
        return self._writer.size

    def begin(self, placed: Callable[[str, Place], None], places: Mapping[str, Place]) -> None:
        """See `Draft.begin`."""
        self._writer.placed = placed
        needed = {place.archive for place in places.values()}
        for path in self._work.home.glob(f"{UNFINISHED}*"):
            if path.name not in {*needed, self._sink.name}:
                path.unlink()

    @contextmanager
    def open(self, name: str) -> Iterator[HashingFile]:
        """See `Draft.open`."""
        self._take_name(name)
        with writing(f"{name} of the export"), _piece(self._work, name) as piece:
            file = HashingFile(piece)
            yield file
            written = file.finish(name)
            piece.finish()
            self._writer.add(name, written.size, piece)
        self.files[name] = written

    def _take_name(self, name: str) -> None:
        """Raises `Failed` when there is a file of the name, or one in the place of a folder."""
        require_name(name)
        path = PurePosixPath(name)
        folders = {str(parent) for parent in path.parents}
        with self._lock:
            if str(path) in self._names | self._folders or folders & self._names:
                raise Failed(f"cannot write {name} of the export: File exists")
            self._names.add(str(path))
            self._folders |= folders

    def has_kept(self, kept: KeptFile) -> bool:
        """See `Draft.has_kept`."""
        if kept.place is None:
            return False
        digest = hashlib.sha256()
        try:
            for block in self._kept_blocks(kept.place):
                digest.update(block)
        except OSError:
            return False
        return digest.hexdigest() == kept.place.sha256

    def take_up(self, kept: KeptFile) -> None:
        """See `Draft.take_up`."""
        if kept.place is None:
            raise Failed(f"{kept.file.name} is in no archive")
        name = kept.file.name
        self._take_name(name)
        with writing(f"{name} of the export"):
            blocks = self._kept_blocks(kept.place)
            self._writer.add_packed(name, blocks, kept.place.crc, kept.place.plain)
        self.files[name] = kept.file

    def _kept_blocks(self, place: Place) -> Iterator[bytes]:
        with (self._work.home / place.archive).open("rb") as archive:
            archive.seek(place.offset)
            left = place.size
            while block := archive.read(min(READ_BYTES, left)):
                left -= len(block)
                yield block

    def publish(self) -> str:
        """See `Draft.publish`."""
        digest = self._writer.finish()
        self._sink.sync()
        self._work.past_stopping(digest)
        self._sink.finish()
        return digest

    def remove(self) -> None:
        """See `Draft.remove`."""
        self._writer.close()
        self._sink.abort()
        self._work.remove()

    def leave(self) -> None:
        """See `Draft.leave`."""
        self._writer.close()
        self._sink.leave()
        self._work.leave()


@contextmanager
def _piece(work: WorkFolder, name: str) -> Iterator[PackedPiece]:
    """A piece to write, which is forgotten when that fails."""
    piece = PackedPiece(work.home, stored=is_packed_already(name))
    with contextlib.ExitStack() as forgetting:
        forgetting.callback(piece.close)
        yield piece
        forgetting.pop_all()


def local_archive(work: WorkFolder, may_go_on: Callable[[], None]) -> ArchiveDraft:
    """The draft of an archive that is to be a file beside the work folder."""
    sink = FileSink(unfinished_archive(work), work.target)
    top = work.target.name.removesuffix(SUFFIX)
    return ArchiveDraft(work, sink, ArchiveWriter(sink, top, may_go_on, work.home))


def unfinished_archive(work: WorkFolder) -> Path:
    """A new name in the work folder, with a number above those of earlier runs."""
    numbers = [int(path.name.removeprefix(UNFINISHED)) for path in work.home.glob(f"{UNFINISHED}*")]
    return work.home / f"{UNFINISHED}{max(numbers, default=0) + 1}"
