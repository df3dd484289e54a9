"""Writing a `.tar.gz` while its files are made: finished ones are appended, in packed form.

The archive is one gzip stream. Its pieces were deflated side by side (`archive_packing.py`), and
its checksum is put together from theirs, so that no byte is looked at a second time.
"""

from __future__ import annotations

import hashlib
import tarfile
import threading
from typing import TYPE_CHECKING

from isal import isal_zlib

from zops_export.archive_packing import deflated, member_header
from zops_export.drafts import Place
from zops_export.waiting_room import WaitingRoom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from zops_export.archive_packing import Piece
    from zops_export.archive_sinks import ArchiveSink

SUFFIX = ".tar.gz"
FIRST = "realm.json"
"""The member that a reader wants first: who it is all about."""

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # gzip; no name, no time, no system
LAST_BLOCK = b"\x03\x00"  # of a deflated stream: an empty one
END = bytes(tarfile.RECORDSIZE)


class ArchiveWriter:
    """Appends packed files to the archive that goes to `sink`, below the folder `top`.

    Used by several threads. Whatever is finished before `FIRST` waits for it.
    """

    def __init__(
        self, sink: ArchiveSink, top: str, may_go_on: Callable[[], None], folder: Path
    ) -> None:
        """What waits does so in `folder`, when it is much."""
        self.placed: Callable[[str, Place], None] = lambda _name, _place: None
        self.size = 0
        self._sink = sink
        self._top = top
        self._may_go_on = may_go_on
        self._hash = hashlib.sha256()
        self._crc = 0
        self._plain = 0
        self._waiting = WaitingRoom(folder)
        self._waits = True
        self._lock = threading.RLock()
        self._write(HEADER)

    def add(self, name: str, size: int, content: Piece) -> None:
        """Append a file of `size` bytes, now or when it is its turn; `content` is closed then."""
        with self._lock:
            if name != FIRST and self._waits:
                self._waiting.take(name, size, content)
                return
            self._add(name, size, content)
            self._add_waiting()

    def _add_waiting(self) -> None:
        self._waits = False
        for name, size, content in self._waiting.leave():
            self._add(name, size, content)

    def _add(self, name: str, size: int, content: Piece) -> None:
        header = member_header(f"{self._top}/{name}", size)
        crc = isal_zlib.crc32_combine(isal_zlib.crc32(header), content.crc, content.plain)
        blocks = _chained(deflated(header), content.blocks())
        try:
            self.placed(name, self._append(blocks, crc, len(header) + content.plain))
        finally:
            content.close()

    def add_packed(self, name: str, blocks: Iterable[bytes], crc: int, plain: int) -> None:
        """Append a member as it stands in another archive."""
        with self._lock:
            self.placed(name, self._append(blocks, crc, plain))

    def _append(self, blocks: Iterable[bytes], crc: int, plain: int) -> Place:
        start, digest = self.size, hashlib.sha256()
        for block in blocks:
            self._may_go_on()
            self._write(block)
            digest.update(block)
        self._crc = isal_zlib.crc32_combine(self._crc, crc, plain)
        self._plain += plain
        return Place(self._sink.name, start, self.size - start, digest.hexdigest(), crc, plain)

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._hash.update(data)
        self.size += len(data)

    def finish(self) -> str:
        """Append what still waits, and the end; the archive's SHA-256 in hex."""
        with self._lock:
            self._add_waiting()
            self._append([deflated(END)], isal_zlib.crc32(END), len(END))
            trailer = self._crc.to_bytes(4, "little") + (self._plain % 2**32).to_bytes(4, "little")
            self._write(LAST_BLOCK + trailer)
            self._waiting.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Forget what still waits."""
        with self._lock:
            self._waiting.close()


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
