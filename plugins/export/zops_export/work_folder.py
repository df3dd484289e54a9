"""The folder that an export is written in, beside its final place and under another name.

Nothing of it can be read by others, not even for a moment: folders are made 0700, files 0600. What
was written is hashed on the way, so that the manifest needs no second reading. Published by
renaming, when everything is on the disk; otherwise removed, or left for `zops export --resume`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from zcore import Failed, Refused
from zcore.private_folders import make_private_folder
from zops_export.claimed_folder import ClaimedFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One finished file of an export: its path inside, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class HashingFile:
    """A new file that knows its size and hash when it is closed."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._hash = hashlib.sha256()
        self._parts: list[bytes] = []
        self._waiting = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add `data`."""
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        block = b"".join(self._parts)
        rest = memoryview(block)
        while rest:  # a disk that is nearly full takes a part, and says so only then
            rest = rest[self._raw.write(rest) :]
        self._hash.update(block)
        self.size += len(block)
        self._parts.clear()
        self._waiting = 0

    def finish(self) -> str:
        """Write what is left; the SHA-256 in hex."""
        self._flush()
        return self._hash.hexdigest()


class WorkFolder:
    """A private folder beside `target`: `home`, in which the export grows at `path`.

    With `resume`, what an export that was stopped or killed left there can be taken up; without,
    it is thrown away. Raises `Refused` when another export to `target` is being written.
    """

    def __init__(self, target: Path, *, resume: bool = False) -> None:
        self.target = target
        self._claimed = ClaimedFolder(target)
        self.home = self._claimed.path
        self.path = self.home / "export"
        self._before = self.home / "before"
        self.files: dict[str, WrittenFile] = {}
        try:
            with explained(self.home):
                self._prepare(resume)
        except BaseException:
            self.leave()
            raise

    def _prepare(self, resume: bool) -> None:
        if resume:
            self._set_aside()
        else:
            self._claimed.clear()
        self._make(self.path)

    def _set_aside(self) -> None:
        """Move what the earlier run wrote out of the export."""
        if self.path.is_dir():
            for name in sorted(_walk(self.path)):
                kept = self._before / name
                make_private_folder(kept.parent)
                (self.path / name).replace(kept)
            shutil.rmtree(self.path)
        self.packed.unlink(missing_ok=True)

    @property
    def packed(self) -> Path:
        """Where an archive grows, until it is whole."""
        return self.home / "packed"

    def has_kept(self, file: WrittenFile) -> bool:
        """Is this file of the earlier run there, as it was?"""
        path = self._before / file.name
        try:
            with path.open("rb") as content:
                return (
                    os.fstat(content.fileno()).st_size == file.size
                    and hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
                )
        except OSError:
            return False

    def take_up(self, file: WrittenFile) -> None:
        """Make a file of the earlier run one of the export."""
        path = self._inside(file.name)
        with explained(path):
            (self._before / file.name).rename(path)
        self.files[file.name] = file

    def _make(self, folder: Path) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)

    @contextmanager
    def open(self, name: str) -> Iterator[HashingFile]:
        """A new file `name` (a relative path) of the export."""
        try:
            path = self._inside(name)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as raw:
                file = HashingFile(raw)
                yield file
                digest = file.finish()
        except OSError as error:
            reason = error.strerror or error
            raise Failed(f"cannot write {name} of the export: {reason}") from error
        self.files[name] = WrittenFile(name, file.size, digest)

    def copy(self, name: str, content: BinaryIO) -> int:
        """A new file with `content`; its size in bytes."""
        with self.open(name) as file:
            while block := content.read(BUFFER_BYTES):
                file.write(block)
        return self.files[name].size

    def _inside(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\0" in name:
            raise Failed(f"{name!r} is no name for a file inside an export")
        folder = self.path
        for part in parts[:-1]:
            folder = folder / part
            self._make(folder)
        return folder / parts[-1]

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(file.size for file in self.files.values())

    def publish(self) -> None:
        """Give the folder its final name, once everything in it is on the disk."""
        with explained(self.target):
            for folder, _, names in os.walk(self.path):
                for name in names:
                    _sync(Path(folder, name))
                _sync(Path(folder))
            if self.target.exists() or self.target.is_symlink():
                raise Refused(f"{self.target} appeared while the export was made")
            self.path.rename(self.target)
            _sync(self.target.parent)
        self.remove()

    def remove(self) -> None:
        """Throw everything away that is not published."""
        self._claimed.remove()

    def leave(self) -> None:
        """Keep everything for a later run."""
        self._claimed.release()


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """What the system says while `target` is written becomes `Failed`."""
    try:
        yield
    except OSError as error:
        raise Failed(f"cannot write {target}: {error.strerror}") from error


def _walk(folder: Path) -> Iterator[str]:
    """The relative paths of all files."""
    for top, _, names in os.walk(folder):
        yield from (Path(top, name).relative_to(folder).as_posix() for name in names)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_file(aside: Path, target: Path) -> None:
    """Give the finished file `aside` its final name; `Refused` when something is there by now."""
    with explained(target):
        _sync(aside)
        try:
            os.link(aside, target)
        except FileExistsError:
            raise Refused(f"{target} appeared while the export was made") from None
        except OSError:  # a file system without links: the name was free a moment ago
            aside.rename(target)
        aside.unlink(missing_ok=True)
        _sync(target.parent)
