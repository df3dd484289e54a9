"""Files of an export while they are written, and what is known of each when it is done."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

from zcore import Failed
from zcore.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER_BYTES = 120_000
LARGE_BYTES = 30_000


@frozen
class WrittenFile:
    """One finished file of an export: its path inside, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class Output(Protocol):
    """Takes bytes, perhaps not all of them at once; says how many."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Take `data`, or the beginning of it."""
        ...


class HashingFile:
    """A new file that knows its size and hash when it is closed."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._hash = hashlib.sha256()
        self._parts: list[bytes] = []
        self._waiting = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add `data`. What is large goes on as it is, and is not copied once more."""
        if len(data) >= LARGE_BYTES:
            self._flush()
            self._put(data)
            return
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            self._put(b"".join(self._parts))
            self._parts.clear()
            self._waiting = 0

    def _put(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # a disk that is nearly full takes a part, and says so only then
            rest = rest[self._output.write(rest) :]
        self._hash.update(block)
        self.size += len(block)

    def finish(self, name: str) -> WrittenFile:
        """Write what is left; what is known of the file, which has this name in the export."""
        self._flush()
        return WrittenFile(name, self.size, self._hash.hexdigest())


def require_name(name: str) -> tuple[str, ...]:
    """The parts of a path inside an export. Raises `Failed` for one that leads outside of it."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise Failed(f"{name!r} is no name for a file inside an export")
    return parts


@contextmanager
def writing(what: object) -> Iterator[None]:
    """What the system says while `what` is written becomes `Failed`."""
    try:
        yield
    except OSError as error:
        raise Failed(f"cannot write {what}: {error.strerror or error}") from error
