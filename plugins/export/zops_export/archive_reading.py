"""Reading a `.tar.gz` (or `.tar`) of an export, member by member, without trusting it.

Whatever is wrong with the archive is said with `NotAnExport`, wherever it is met: between two
members, while one is read, or only at the end, where the checksum is. Memory stays small whatever
an archive says of itself, which is why only its blocks are read with `tarfile`: that module takes
headers of any length into memory.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from isal import igzip, igzip_lib

from zcore import Refused
from zops_export.export_layout import NotAnExport
from zops_export.packed_exports import PackedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zops_export.packed_exports import Packed

GZIP_MAGIC = b"\x1f\x8b"
# What packing can gain: rows of an export are made five to fifty times smaller, nothing but zeros
# a thousand times. Below so many bytes nothing is lost by looking.
MOST_TIMES, HARMLESS_BYTES = 300, 1 << 30
MOST_FILES = 3_000_000  # names are kept in memory, some 200 bytes each
COPY_BYTES = 1 << 20
END_BLOCK = bytes(tarfile.BLOCKSIZE)  # what stands behind the last member
LONGEST_HEADER = 1 << 16  # bytes: a long name, or a header with more about a member
LONGEST_NUMBER = 18  # digits
LONG_NAMES = frozenset({tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK})
MORE_ABOUT_ONE = frozenset({tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE})
ABOUT_ALL = tarfile.XGLTYPE
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what stands for such bytes in a name
ORDINARY = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})

ISAL_ERROR = cast("type[Exception]", igzip_lib.IsalError)  # its stub says that it is an instance
DAMAGE = (EOFError, tarfile.TarError, igzip.BadGzipFile, ISAL_ERROR, zlib.error)

Member = tuple[str, int, BinaryIO]
MayGoOn = Callable[[], None]


def read_members(place: Path | Packed, may_go_on: MayGoOn = lambda: None) -> Iterator[Member]:
    """Every file in an archive: its name there, its size, its content to be read now.

    `may_go_on` is called often while contents are passed over, and raises to stop that. Raises
    `NotAnExport` for damage, links, devices and names that lead outside, and for what unpacks to
    many times its size.
    """
    archive = PackedFile(place) if isinstance(place, Path) else place
    with _explained(archive), _unpacked(archive) as stream:
        yield from _Tape(archive, stream, may_go_on).members()


@contextmanager
def _unpacked(archive: Packed) -> Iterator[BinaryIO]:
    with archive.open() as raw:
        if cast("io.BufferedReader", raw).peek(2)[:2] != GZIP_MAGIC:
            yield raw
            return
        with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:  # type: ignore[no-untyped-call]
            most = HARMLESS_BYTES + MOST_TIMES * archive.size
            yield cast("BinaryIO", _Bounded(cast("BinaryIO", stream), archive, most))


class _Bounded:
    """What comes out of an archive, up to `most` bytes."""

    def __init__(self, stream: BinaryIO, archive: Packed, most: int) -> None:
        self._stream = stream
        self._archive = archive
        self._left = most

    def read(self, size: int) -> bytes:
        """As of any stream. Raises `NotAnExport` when there is too much."""
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise NotAnExport(
                f"{self._archive} unpacks to more than {MOST_TIMES} times its size, as if it were"
                " made to fill a disk",
                code="archive-bomb",
                hint="if you know better, unpack it and name the folder",
            )
        return block


@contextmanager
def _explained(archive: Packed) -> Iterator[None]:
    """Say in our words what is wrong with the archive."""
    try:
        yield
    except DAMAGE as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        if error.errno is None:
            raise _damaged(archive, error) from error
        raise Refused(f"cannot read {archive}: {error.strerror}") from error


def _damaged(archive: Packed, error: Exception) -> NotAnExport:
    text = str(error) or type(error).__name__
    reason = "it ends too early" if isinstance(error, EOFError) else text
    return NotAnExport(
        f"{archive} is damaged or no archive: {reason}",
        code="damaged-archive",
        hint="take another copy of it, or make it again",
    )


class _Content:
    """The content of a member: to be read before the next member is asked for."""

    def __init__(self, archive: Packed, stream: BinaryIO, size: int) -> None:
        self._archive = archive
        self._stream = stream
        self._left = size

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        with _explained(self._archive):
            block = self._stream.read(wanted)
            if not block:
                raise EOFError
        self._left -= len(block)
        return block


class _Tape:
    """The members that stand one behind the other in a stream."""

    def __init__(self, archive: Packed, stream: BinaryIO, may_go_on: MayGoOn) -> None:
        self._archive = archive
        self._stream = stream
        self._may_go_on = may_go_on

    def members(self) -> Iterator[Member]:
        """The files among the members; what of a content is not read is passed over."""
        count = 0
        while (header := self._header()) is not None:
            count += 1
            if count > MOST_FILES:
                raise tarfile.ReadError(f"it has more than {MOST_FILES:,} members")
            name = _safe_name(header)
            content = cast("BinaryIO", _Content(self._archive, self._stream, header.size))
            if name is not None:
                yield name, header.size, content
            while content.read(COPY_BYTES):
                self._may_go_on()
            self._exactly(-header.size % tarfile.BLOCKSIZE)
        while rest := self._stream.read(COPY_BYTES):  # to the end, where the checksum is
            if rest.strip(b"\0"):
                raise tarfile.ReadError("something stands behind its last member")

    def _header(self) -> tarfile.TarInfo | None:
        """What stands before the next member; None behind the last."""
        more: dict[str, str] = {}
        while (block := self._exactly(tarfile.BLOCKSIZE)) != END_BLOCK:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if header.type in LONG_NAMES:
                text = self._extension(header).rstrip(b"\0").decode("utf-8", "surrogateescape")
                more |= {"path": text} if header.type == tarfile.GNUTYPE_LONGNAME else {}
            elif header.type in MORE_ABOUT_ONE:
                more |= _records(self._extension(header))
            elif header.type == ABOUT_ALL:
                self._extension(header)
            else:
                return _completed(header, more)
        return None

    def _extension(self, header: tarfile.TarInfo) -> bytes:
        if header.size > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes stands in it")
        content = self._exactly(header.size)
        self._exactly(-header.size % tarfile.BLOCKSIZE)
        return content

    def _exactly(self, size: int) -> bytes:
        """So many bytes. Raises `EOFError` when there are no more."""
        found = b""
        while len(found) < size:
            block = self._stream.read(size - len(found))
            if not block:
                raise EOFError
            found += block
        return found


def _records(content: bytes) -> dict[str, str]:
    """The lines `LENGTH KEY=VALUE` of a header."""
    found: dict[str, str] = {}
    while content.strip(b"\0"):
        length, _, _ = content.partition(b" ")
        usable = length.isdigit() and len(length) <= LONGEST_NUMBER
        if not usable or not len(length) < int(length) <= len(content):
            raise tarfile.ReadError("a header of it cannot be read")
        record = content[len(length) + 1 : int(length) - 1].decode("utf-8", "surrogateescape")
        key, _, value = record.partition("=")
        found[key] = value
        content = content[int(length) :]
    return found


def _completed(header: tarfile.TarInfo, more: Mapping[str, str]) -> tarfile.TarInfo:
    """The header of a member with what longer headers say of it."""
    if any(key.startswith("GNU.sparse") for key in more):
        header.type = tarfile.GNUTYPE_SPARSE
    size = more.get("size", str(header.size))
    if not (size.isascii() and size.isdecimal() and len(size) <= LONGEST_NUMBER):
        raise tarfile.ReadError("a member of it has no usable size")
    header.name = more.get("path", header.name)
    header.size = 0 if header.isdir() else int(size)
    return header


def _safe_name(member: tarfile.TarInfo) -> str | None:
    """The member's path; None for folders. Raises `NotAnExport`."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise _unsafe("a member that leads outside of it", member)
    if NOT_UTF8.search(member.name):
        raise _unsafe("a member whose name is not UTF-8", member)
    if member.isdir():
        return None
    if member.type not in ORDINARY:
        raise _unsafe("a member that is no ordinary file", member)
    return path.as_posix()


def _unsafe(what: str, member: tarfile.TarInfo) -> NotAnExport:
    return NotAnExport(
        f"the archive has {what}: {member.name!r}",
        code="unsafe-member",
        hint="no export has such a thing: do not unpack it",
    )
