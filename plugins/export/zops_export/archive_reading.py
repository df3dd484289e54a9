"""Reading a `.tar.gz` (or `.tar`) of an export, member by member, without trusting it.

Whatever is wrong with the archive is said with `NotAnExport`, wherever it is met: between two
members, while one is read, or only at the end, where the checksum is.
"""

from __future__ import annotations

import tarfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from isal import igzip

from zcore import Refused
from zops_export.export_layout import NotAnExport

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP_MAGIC = b"\x1f\x8b"
COPY_BYTES = 1 << 20
END_BLOCK = bytes(tarfile.BLOCKSIZE)  # what stands behind the last member

Member = tuple[str, int, BinaryIO]


def read_members(path: Path) -> Iterator[Member]:
    """Every file in the archive `path`: its name there, its size, its content to be read now.

    Raises `NotAnExport` for damage, links, devices and names that lead outside.
    """
    with _explained(path), _unpacked(path) as stream:
        tape = _Tape(stream)
        with tarfile.open(fileobj=cast("BinaryIO", tape), mode="r|") as archive:
            for member in archive:
                name = _safe_name(member)
                content = None if name is None else archive.extractfile(member)
                if name is not None and content is not None:
                    readable = _Content(path, cast("BinaryIO", content))
                    yield name, member.size, cast("BinaryIO", readable)
            tape.require_end(archive.offset)
        while stream.read(COPY_BYTES):  # to the end, where the checksum is
            pass


@contextmanager
def _unpacked(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if not packed:
            yield raw
            return
        with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:  # type: ignore[no-untyped-call]
            yield cast("BinaryIO", stream)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in our words what is wrong with the archive."""
    try:
        yield
    except (EOFError, tarfile.TarError, igzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is None:
            raise _damaged(path, error) from error
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def _damaged(path: Path, error: Exception) -> NotAnExport:
    text = str(error) or type(error).__name__
    reason = "it ends too early" if isinstance(error, EOFError) or "end" in text else text
    return NotAnExport(
        f"{path} is damaged or no archive: {reason}",
        code="damaged-archive",
        hint="take another copy of it, or make it again",
    )


class _Content:
    """The content of a member: to be read before the next member is asked for."""

    def __init__(self, path: Path, inner: BinaryIO) -> None:
        self._path = path
        self._inner = inner

    def read(self, size: int = -1) -> bytes:
        with _explained(self._path):
            return self._inner.read(size)


class _Tape:
    """The stream that `tarfile` reads; it remembers the last blocks.

    `tarfile` takes whatever is no member for the end, also the mere end of the file: an archive
    that was cut off between two members would pass for a whole one.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0
        self._last = b""

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._position += len(block)
        self._last = (self._last + block)[-2 * tarfile.RECORDSIZE :]
        return block

    def require_end(self, offset: int) -> None:
        """Raise `tarfile.ReadError` unless an end mark stands at `offset`."""
        start = offset - (self._position - len(self._last))
        found = self._last[start : start + len(END_BLOCK)] if start >= 0 else b""
        if found != END_BLOCK:
            raise tarfile.ReadError("the end of the archive is missing")


def _safe_name(member: tarfile.TarInfo) -> str | None:
    """The member's path; None for folders. Raises `NotAnExport`."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise NotAnExport(f"the archive has a member that leads outside of it: {member.name!r}")
    if member.isdir():
        return None
    if not member.isreg():
        raise NotAnExport(f"the archive has a member that is no ordinary file: {member.name!r}")
    return path.as_posix()
