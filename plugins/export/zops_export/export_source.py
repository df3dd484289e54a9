"""An export to read: a folder, or an archive that is never unpacked blindly.

An archive is read twice, because its JSON need not come before its files: the first pass looks at
every member, refuses what an export cannot have, and puts the JSON into a private work folder;
the second hands out the files one after the other.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol

from isal import igzip

from zcore import Failed, Refused

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

FILE_FOLDERS = ("avatars", "emoji", "realm_icons", "uploads")
RECORDS = "records.json"
REQUIRED = (
    "migration_status.json",
    "realm.json",
    "attachment.json",
    "avatars/records.json",
    "uploads/records.json",
)
MESSAGE_FILE = re.compile(r"messages-(\d{6,})\.json(\.partial|\.locked)?")
JSON_MEMBER = re.compile(r"[a-z_-]+\.json|messages-\d{6,}\.json(\.partial|\.locked)?")
GZIP_MAGIC = b"\x1f\x8b"
COPY_BYTES = 1 << 20

NamedFile = tuple[str, BinaryIO]


class NotAnExport(Refused):
    """What was named is no export, or a damaged one."""

    code = "not-an-export"


class ExportSource(Protocol):
    """An export that can be read. `names` are the paths of all files in it."""

    path: Path
    names: frozenset[str]
    message_files: tuple[str, ...]

    def open(self, name: str) -> BinaryIO:
        """One of the JSON files. Raises `NotAnExport` when it is not there."""
        ...

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """The wanted files among avatars, emoji, icons and uploads, in any order."""
        ...


@contextmanager
def opened(path: Path) -> Iterator[ExportSource]:
    """The export at `path`, a folder or `.tar.gz`. Raises `NotAnExport` when it is none."""
    path = path.expanduser()
    if path.is_dir():
        yield _checked(FolderSource(path))
    elif path.is_file():
        with ArchiveSource(path) as source:
            yield _checked(source)
    else:
        raise NotAnExport(f"there is no export {path}", code="no-such-export")


def _checked(source: ExportSource) -> ExportSource:
    """`source`, if it has the files that every export has."""
    if missing := [name for name in REQUIRED if name not in source.names]:
        raise NotAnExport(
            f"{source.path} is no export of a Zulip organization: it has no {', '.join(missing)}"
        )
    return source


def message_files(names: frozenset[str]) -> tuple[str, ...]:
    """The message files in order. Raises `NotAnExport` when one is missing or unfinished."""
    finished: set[int] = set()
    for name in names:
        if match := MESSAGE_FILE.fullmatch(name):
            if match.group(2):
                raise NotAnExport(
                    f"{name} is there: the export was never finished",
                    hint="make the export again",
                )
            finished.add(int(match.group(1)))
    for number in range(1, len(finished) + 1):
        if number not in finished:
            raise NotAnExport(
                f"messages-{number:06d}.json is missing: the messages in it are lost",
                code="message-file-missing",
                hint="take another copy of the export, or make it again",
            )
    return tuple(f"messages-{number:06d}.json" for number in sorted(finished))


class FolderSource:
    """An export as a folder. Symbolic links in it are not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = frozenset(self._walk())
        self.message_files = message_files(self.names)

    def _walk(self) -> Iterator[str]:
        for found in self.path.rglob("*"):
            name = found.relative_to(self.path).as_posix()
            if found.is_symlink():
                raise NotAnExport(f"{name} in {self.path} is a symbolic link; exports have none")
            if found.is_file():
                yield name

    def open(self, name: str) -> BinaryIO:
        """See `ExportSource.open`."""
        if name not in self.names:
            raise NotAnExport(f"{self.path} has no {name}")
        try:
            return (self.path / name).open("rb")
        except OSError as error:
            raise Refused(f"cannot read {self.path / name}: {error.strerror}") from error

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """See `ExportSource.files`."""
        for name in sorted(self.names):
            if name in wanted:
                with self.open(name) as content:
                    yield name, content


class ArchiveSource:
    """An export as a `.tar.gz` (or `.tar`), with its JSON in a private work folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._work = Path()
        self.names: frozenset[str] = frozenset()
        self.message_files: tuple[str, ...] = ()

    def __enter__(self) -> ArchiveSource:
        self._work = Path(tempfile.mkdtemp(prefix="zops-import-"))
        try:
            self.names = frozenset(self._first_pass())
            self.message_files = message_files(self.names)
        except BaseException:
            shutil.rmtree(self._work, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        shutil.rmtree(self._work, ignore_errors=True)

    def open(self, name: str) -> BinaryIO:
        """See `ExportSource.open`."""
        if name not in self.names:
            raise NotAnExport(f"{self.path} has no {name}")
        return (self._work / name).open("rb")

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """See `ExportSource.files`."""
        for name, content in self._members():
            if name in wanted:
                yield name, content

    def _first_pass(self) -> Iterator[str]:
        seen: set[str] = set()
        for name, content in self._members():
            if name in seen:
                raise NotAnExport(f"{self.path} has {name} twice")
            seen.add(name)
            if _is_json(name):
                self._keep(name, content)
            yield name

    def _keep(self, name: str, content: BinaryIO) -> None:
        target = self._work / name
        target.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            with target.open("xb") as file:
                shutil.copyfileobj(content, file, COPY_BYTES)
        except OSError as error:
            if isinstance(error, (EOFError, zlib.error)) or error.errno is None:
                raise
            raise Failed(
                f"cannot keep the JSON of {self.path} in {self._work}: {error.strerror}",
                hint="set TMPDIR to a folder with more room",
            ) from error

    def _members(self) -> Iterator[NamedFile]:
        """Every regular file, by its name inside the export. Raises `NotAnExport`."""
        try:
            with self._unpacked() as stream:
                yield from self._files_in(stream)
                while stream.read(COPY_BYTES):  # to the end, where the checksum is
                    pass
        except (EOFError, tarfile.TarError, igzip.BadGzipFile, zlib.error) as error:
            raise self._damaged(error) from error
        except OSError as error:
            if error.errno is None:
                raise self._damaged(error) from error
            raise

    def _files_in(self, stream: BinaryIO) -> Iterator[NamedFile]:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = _name_inside(member)
                if name is None:
                    continue
                content = archive.extractfile(member)
                if content is not None:
                    yield name, content  # type: ignore[misc]  # a BufferedReader is one

    @contextmanager
    def _unpacked(self) -> Iterator[BinaryIO]:
        with self.path.open("rb") as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not packed:
                yield raw
                return
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:  # type: ignore[no-untyped-call]
                yield stream  # type: ignore[misc]  # it reads bytes; it only lacks the name

    def _damaged(self, error: Exception) -> NotAnExport:
        return NotAnExport(
            f"{self.path} is damaged or no archive: {_reason(error)}",
            code="damaged-archive",
            hint="take another copy of it, or make it again",
        )


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "it ends too early" if isinstance(error, EOFError) or "end" in text else text


def _is_json(name: str) -> bool:
    folder, _, base = name.rpartition("/")
    return (not folder and JSON_MEMBER.fullmatch(base) is not None) or (
        folder in FILE_FOLDERS and base == RECORDS
    )


def _name_inside(member: tarfile.TarInfo) -> str | None:
    """The member's path below the one top folder; None for folders. Raises `NotAnExport`."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        raise NotAnExport(f"the archive has a member that leads outside of it: {member.name!r}")
    if member.isdir():
        return None
    if not member.isreg():
        raise NotAnExport(f"the archive has a member that is no ordinary file: {member.name!r}")
    parts = path.parts
    if len(parts) > 1 and not (parts[0] in FILE_FOLDERS and len(parts) > 1):
        parts = parts[1:]
    return "/".join(parts)
