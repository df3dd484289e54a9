"""Packed files that wait for their turn in an archive."""

from __future__ import annotations

import contextlib
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from zcore.frozen import frozen
from zops_export.spools import READ_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zops_export.archive_packing import Piece

MOST_IN_MEMORY = 8 << 20  # bytes


@frozen
class _Moved:
    """A piece in the file of a waiting room; see `zops_export.archive_packing.Piece`."""

    file: BinaryIO
    start: int
    size: int
    crc: int
    plain: int

    def blocks(self) -> Iterator[bytes]:
        self.file.seek(self.start)
        left = self.size
        while left:
            block = self.file.read(min(READ_BYTES, left))
            left -= len(block)
            yield block

    def close(self) -> None:
        """It stays until all have left."""


class WaitingRoom:
    """Pieces in the order of their coming, each with the name and size of its file.

    They stay in memory as long as they are few; otherwise all are in one nameless file in `folder`:
    there may be more of them than a process can have files open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._waiting: list[tuple[str, int, Piece]] = []
        self._not_moved = 0  # those at the end of the list
        self._in_memory = 0

    def take(self, name: str, size: int, piece: Piece) -> None:
        """Let a piece wait. It is closed here, or by whoever it leaves to."""
        self._waiting.append((name, size, piece))
        self._not_moved += 1
        self._in_memory += piece.size
        if self._in_memory > MOST_IN_MEMORY:
            self._move()

    def _move(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 # see `close`
        for place in range(len(self._waiting) - self._not_moved, len(self._waiting)):
            name, size, piece = self._waiting[place]
            start = self._file.seek(0, 2)
            self._file.writelines(piece.blocks())
            moved = _Moved(self._file, start, piece.size, piece.crc, piece.plain)
            self._waiting[place] = (name, size, moved)
            piece.close()
        self._not_moved = self._in_memory = 0

    def leave(self) -> Iterator[tuple[str, int, Piece]]:
        """All that wait, in order; none do then."""
        leaving, self._waiting = self._waiting, []
        self._not_moved = self._in_memory = 0
        yield from leaving
        if self._file is not None:
            self._file.truncate(0)

    def close(self) -> None:
        """Forget what waits."""
        for _, _, piece in self._waiting:
            piece.close()
        self._waiting.clear()
        if self._file is not None:
            with contextlib.suppress(OSError):  # it would write what the disk had no room for
                self._file.close()
