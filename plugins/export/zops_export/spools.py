"""Bytes that wait for their turn."""

from __future__ import annotations

import contextlib
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

READ_BYTES = 1 << 20


class Spool:
    """Keeps what is written: in memory, and from `most` bytes on in a nameless file in `folder`.

    In memory it stays in the pieces in which it came. A buffer that grows, as that of
    `tempfile.SpooledTemporaryFile`, is moved again and again, and leaves a third as much memory
    unused as all else takes.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.size = 0
        self._folder = folder
        self._most = most
        self._pieces: list[bytes] = []
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Add `data`."""
        self.size += len(data)
        if self._file is not None:
            self._file.write(data)
            return
        self._pieces.append(data)
        if self.size > self._most:
            self.put_on_disk()

    def put_on_disk(self) -> None:
        """Take no more memory."""
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115  # see `close`
            self._file.writelines(self._pieces)
            self._pieces.clear()

    def blocks(self) -> Iterator[bytes]:
        """Everything, in blocks."""
        if self._file is None:
            yield from self._pieces
            return
        self._file.seek(0)
        while block := self._file.read(READ_BYTES):
            yield block

    def close(self) -> None:
        """Forget it."""
        self._pieces.clear()
        if self._file is not None:
            with contextlib.suppress(OSError):  # it would write what the disk had no room for
                self._file.close()
