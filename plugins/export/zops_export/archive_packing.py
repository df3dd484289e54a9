"""Packing what an archive consists of, each piece by itself and in the thread that made it.

A piece is deflated so that it ends on a byte and looks at no other piece: pieces can stand one
after the other, in any order, and together be one ordinary gzip stream (`archive_writing.py`).
"""

from __future__ import annotations

import tarfile
import time
from typing import TYPE_CHECKING, Protocol

from isal import isal_zlib

from zops_export.spools import Spool
from zops_export.stored_blocks import StoredBlocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zops_export.stored_blocks import Packer

COMPRESSION_LEVEL = 2
MEMORY_LEVEL = 2  # more memory makes nothing smaller
RAW = -15  # no header and no checksum around it: those are of the whole
KEPT_IN_MEMORY = 2 << 20
PRIVATE = 0o600


class Piece(Protocol):
    """Something packed: `size` bytes that unpack to `plain` bytes, whose checksum is `crc`."""

    @property
    def size(self) -> int: ...

    @property
    def plain(self) -> int: ...

    @property
    def crc(self) -> int: ...

    def blocks(self) -> Iterator[bytes]:
        """What it is packed, in blocks."""
        ...

    def close(self) -> None:
        """Forget it."""
        ...


class PackedPiece:
    """Takes bytes and keeps them packed: in memory, and when they are many in a nameless file.

    `crc` is the checksum of the `plain` bytes that it unpacks to; `size` how many it takes.
    """

    def __init__(self, folder: Path, *, stored: bool = False) -> None:
        """Large pieces are kept in `folder`. What is `stored` is not packed any more."""
        self._packer: Packer = StoredBlocks() if stored else _packer()
        self._kept = Spool(folder, KEPT_IN_MEMORY)
        self.crc = 0
        self.plain = 0
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Add `data`; its size."""
        self._keep(self._packer.compress(data))
        self.crc = isal_zlib.crc32(data, self.crc)
        self.plain += len(data)
        return len(data)

    def finish(self) -> None:
        """That was all. It is filled up to a whole block of a tar file."""
        if missing := -self.plain % tarfile.BLOCKSIZE:
            self.write(bytes(missing))
        if self.plain:
            self._keep(self._packer.flush(isal_zlib.Z_FULL_FLUSH))
        del self._packer

    def _keep(self, packed: bytes) -> None:
        self._kept.write(packed)
        self.size += len(packed)

    def blocks(self) -> Iterator[bytes]:
        """What it is packed, in blocks."""
        return self._kept.blocks()

    def close(self) -> None:
        """Forget it."""
        self._kept.close()


def _packer() -> isal_zlib.Compress:
    return isal_zlib.compressobj(COMPRESSION_LEVEL, isal_zlib.DEFLATED, RAW, MEMORY_LEVEL)


def deflated(data: bytes) -> bytes:
    """A few bytes, packed at once."""
    packer = _packer()
    return packer.compress(data) + packer.flush(isal_zlib.Z_FULL_FLUSH)


def member_header(name: str, size: int) -> bytes:
    """What stands before a file in a tar archive.

    It says nothing of who made the archive, and lets only its owner read what is unpacked.
    """
    member = tarfile.TarInfo(name)
    member.size = size
    member.mtime = int(time.time())
    member.mode = PRIVATE
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
