"""An export to read: a folder, or an archive that is never unpacked blindly.

An archive is read twice, because its JSON need not come before its files: the first pass looks at
every member, refuses what an export cannot have, and puts the JSON into a private work folder;
the second hands out the files one after the other.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol

from zcore import Failed, Refused
from zcore.database_errors import NO_ROOM
from zcore.stage_plan import size_text
from zops_export.archive_reading import COPY_BYTES, NOT_UTF8, MayGoOn, read_members
from zops_export.claimed_folder import SUFFIX as UNFINISHED
from zops_export.export_layout import REQUIRED, NotAnExport, may_hold_json, message_files
from zops_export.packed_exports import SCHEME, Packed, PackedFile, packed_object

NamedFile = tuple[str, BinaryIO]


class ExportSource(Protocol):
    """An export that can be read.

    `names` are the paths of all files in it, `sizes` how many bytes each takes.
    """

    names: frozenset[str]
    sizes: Mapping[str, int]

    @property
    def path(self) -> object:
        """Where it is: as text, what people call it."""
        ...

    @property
    def message_files(self) -> tuple[str, ...]:
        """The files with messages, in order."""
        ...

    def open(self, name: str) -> BinaryIO:
        """One of the JSON files. Raises `NotAnExport` when it is not there."""
        ...

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """The wanted files among avatars, emoji, icons and uploads, in any order."""
        ...


class Streamed(Protocol):
    """An export that is read from its beginning to its end, as often as wanted.

    All three as of an `ExportSource`; nothing says that it is whole.
    """

    names: frozenset[str]
    sizes: Mapping[str, int]

    @property
    def path(self) -> object:
        """Where it is: as text, what people call it."""
        ...

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """The wanted files, in any order."""
        ...


@contextmanager
def opened(place: Path | str, may_go_on: MayGoOn = lambda: None) -> Iterator[ExportSource]:
    """The export at `place`: a folder, a `.tar.gz`, or one at `s3://bucket/key`.

    `may_go_on` is called often while an archive is looked through, and raises to stop that. Raises
    `NotAnExport` when it is none, and what an object store raises.
    """
    found = _found(place)
    if isinstance(found, Path):
        yield _checked(FolderSource(found))
    else:
        with ArchiveSource(found, may_go_on) as source:
            yield _checked(source)


def streamed(place: Path | str, may_go_on: MayGoOn) -> Streamed:
    """What is at `place`, without unpacking it. Raises `NotAnExport` when it can be no export."""
    found = _found(place)
    source: Streamed = (
        FolderSource(found) if isinstance(found, Path) else StreamedArchive(found, may_go_on)
    )
    if not source.names.intersection(REQUIRED):
        raise NotAnExport(f"{found} is no export of a Zulip organization: it has no {REQUIRED[1]}")
    return source


def _found(place: Path | str) -> Path | Packed:
    """The folder, or the archive. Raises `NotAnExport` for anything else."""
    if str(place).startswith(SCHEME):
        return packed_object(str(place))
    path = Path(os.path.expanduser(place))
    kind = _kind(path)
    _require_finished(path)
    if stat.S_ISDIR(kind):
        return path
    if stat.S_ISREG(kind):
        return PackedFile(path)
    raise NotAnExport(f"{path} is neither a folder nor an archive")


def _require_finished(path: Path) -> None:
    """Raise `NotAnExport` for what is in the private folder of an export that is being written."""
    if any(folder.name.endswith(UNFINISHED) for folder in (path, path.absolute().parent)):
        raise NotAnExport(
            f"the export {path} was never finished",
            code="unfinished-export",
            hint="make it again, or go on with it: zops export --resume --output",
        )


def _kind(path: Path) -> int:
    """The mode of the file or folder."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnExport(f"there is no export {path}", code="no-such-export") from None
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def _checked(source: ExportSource) -> ExportSource:
    """`source`, if it has the files that every export has."""
    if missing := [name for name in REQUIRED if name not in source.names]:
        raise NotAnExport(
            f"{source.path} is no export of a Zulip organization: it has no {', '.join(missing)}"
        )
    _ = source.message_files  # says so when one is missing
    return source


class FolderSource:
    """An export as a folder. Symbolic links in it are not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes: Mapping[str, int] = dict(self._walk())
        self.names = frozenset(self.sizes)

    @cached_property
    def message_files(self) -> tuple[str, ...]:
        """See `ExportSource`. Raises `NotAnExport` when one is missing."""
        return message_files(self.names)

    def _walk(self) -> Iterator[tuple[str, int]]:
        for folder, folders, files in os.walk(self.path, onerror=self._cannot_read):
            for found in (Path(folder, name) for name in [*folders, *files]):
                name = found.relative_to(self.path).as_posix()
                status = found.lstat()
                if stat.S_ISLNK(status.st_mode):
                    raise self._unsafe(name, "is a symbolic link; exports have none")
                if NOT_UTF8.search(name):
                    raise self._unsafe(name, "has a name that is not UTF-8")
                if stat.S_ISREG(status.st_mode):
                    yield name, status.st_size
                elif not stat.S_ISDIR(status.st_mode):
                    raise self._unsafe(name, "is no ordinary file")

    def _unsafe(self, name: str, what: str) -> NotAnExport:
        shown = repr(name) if NOT_UTF8.search(name) else name
        return NotAnExport(
            f"{shown} in {self.path} {what}",
            code="unsafe-member",
            hint="it is not followed: put the file there, or take another copy",
        )

    def _cannot_read(self, error: OSError) -> None:
        raise Refused(f"cannot read {error.filename}: {error.strerror}") from error

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
    """An export as a `.tar.gz` (or `.tar`), with its JSON in a private work folder.

    In the archive everything is below one folder of any name, which is no part of the names here.
    """

    def __init__(self, archive: Packed, may_go_on: MayGoOn) -> None:
        self.path = archive
        self.names: frozenset[str] = frozenset()
        self.sizes: Mapping[str, int] = {}
        self.message_files: tuple[str, ...] = ()
        self._may_go_on = may_go_on
        self._work = Path()
        self._kept: dict[str, Path] = {}
        self._top = ""

    def __enter__(self) -> ArchiveSource:
        try:
            self._work = Path(tempfile.mkdtemp(prefix="zops-import-"))
        except OSError as error:
            raise self._no_room(error) from error
        try:
            members = self._first_pass()
            self._top = _top_folder(members)
            self.sizes = {name.removeprefix(self._top): members[name] for name in members}
            self.names = frozenset(self.sizes)
            self.message_files = message_files(self.names)
        except BaseException:
            shutil.rmtree(self._work, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        shutil.rmtree(self._work, ignore_errors=True)

    def open(self, name: str) -> BinaryIO:
        """See `ExportSource.open`."""
        kept = self._kept.get(self._top + name)
        if kept is None:
            raise NotAnExport(f"{self.path} has no {name}")
        return kept.open("rb")

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """See `ExportSource.files`."""
        return _wanted_members(self.path, self._top, wanted, self._may_go_on)

    def _first_pass(self) -> dict[str, int]:
        """The names of all members and their sizes; the JSON among them is kept."""
        seen: dict[str, int] = {}
        for name, size, content in read_members(self.path, self._may_go_on):
            self._may_go_on()
            _require_once(self.path, name, seen)
            seen[name] = size
            if may_hold_json(name):
                self._keep(name, size, content)
        return seen

    def _keep(self, name: str, size: int, content: BinaryIO) -> None:
        """Raises `Failed` when there is no room for what the archive says is in it."""
        target = self._kept[name] = self._work / str(len(self._kept))
        try:
            free = shutil.disk_usage(self._work).free
            if size > free:
                reason = f"{name} takes {size_text(size)}, and there are {size_text(free)} free"
                raise self._failed(reason)
            with target.open("xb") as file:
                while block := content.read(COPY_BYTES):
                    self._may_go_on()
                    file.write(block)
        except OSError as error:
            raise self._no_room(error) from error

    def _no_room(self, error: OSError) -> Failed:
        return self._failed(error.strerror or str(error))

    def _failed(self, reason: str) -> Failed:
        return Failed(
            f"cannot keep the JSON of {self.path} in {tempfile.gettempdir()}: {reason}"
            if self._work != Path()
            else f"cannot make a folder for temporary files: {reason}",
            hint="set TMPDIR to a folder with more room",
            code=NO_ROOM,
        )


class StreamedArchive:
    """An export as a `.tar.gz` (or `.tar`) of which nothing is kept but the names."""

    def __init__(self, archive: Packed, may_go_on: MayGoOn) -> None:
        self.path = archive
        self._may_go_on = may_go_on
        members: dict[str, int] = {}
        for name, size, _ in read_members(archive, may_go_on):
            may_go_on()
            _require_once(archive, name, members)
            members[name] = size
        self._top = _top_folder(members)
        self.sizes: Mapping[str, int] = {
            name.removeprefix(self._top): size for name, size in members.items()
        }
        self.names = frozenset(self.sizes)

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """See `Streamed.files`."""
        return _wanted_members(self.path, self._top, wanted, self._may_go_on)


def _require_once(archive: Packed, name: str, seen: Container[str]) -> None:
    if name in seen:
        raise NotAnExport(
            f"{archive} has {name} twice",
            code="duplicate-member",
            hint="which one would count depends on who unpacks it: make the export again",
        )


def _wanted_members(
    archive: Packed, top: str, wanted: Container[str], may_go_on: MayGoOn
) -> Iterator[NamedFile]:
    for member, _, content in read_members(archive, may_go_on):
        name = member.removeprefix(top)
        if name in wanted:
            yield name, content


def _top_folder(members: Collection[str]) -> str:
    """The one folder that everything in an archive is in, with its slash; "" if there is none."""
    tops = {name.partition("/")[0] for name in members}
    if len(tops) == 1 and "realm.json" not in members:
        return f"{tops.pop()}/"
    return ""
