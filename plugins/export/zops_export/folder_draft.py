"""An export that becomes a folder: published by renaming, when everything is on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import Refused
from zcore.private_folders import make_private_folder
from zops_export.manifest import MANIFEST
from zops_export.work_folder import WorkFolder, sync
from zops_export.written_files import HashingFile, WrittenFile, require_name, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zops_export.drafts import KeptFile, Place


class FolderDraft:
    """The export grows in the work folder at `path`; see `zops_export.drafts.Draft`."""

    def __init__(self, work: WorkFolder) -> None:
        self._work = work
        self.path = work.home / "export"
        self._before = work.home / "before"
        self.files: dict[str, WrittenFile] = {}
        with writing(work.home):
            self._set_aside()
            self._make(self.path)

    def _set_aside(self) -> None:
        """Move what an earlier run wrote out of the export."""
        if self.path.is_dir():
            for name in sorted(_walk(self.path)):
                kept = self._before / name
                make_private_folder(kept.parent)
                (self.path / name).replace(kept)
            shutil.rmtree(self.path)

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(file.size for file in self.files.values())

    def begin(self, placed: Callable[[str, Place], None], places: Mapping[str, Place]) -> None:
        """See `Draft.begin`: files in a folder are found by their names."""

    @contextmanager
    def open(self, name: str) -> Iterator[HashingFile]:
        """See `Draft.open`."""
        with writing(f"{name} of the export"):
            path = self._inside(name)
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                with os.fdopen(descriptor, "wb", buffering=0) as raw:
                    file = HashingFile(raw)
                    yield file
                    written = file.finish(name)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        self.files[name] = written

    def has_kept(self, kept: KeptFile) -> bool:
        """See `Draft.has_kept`."""
        try:
            with (self._before / kept.file.name).open("rb") as content:
                return (
                    os.fstat(content.fileno()).st_size == kept.file.size
                    and hashlib.file_digest(content, "sha256").hexdigest() == kept.file.sha256
                )
        except OSError:
            return False

    def take_up(self, kept: KeptFile) -> None:
        """See `Draft.take_up`."""
        name = kept.file.name
        with writing(f"{name} of the export"):
            (self._before / name).rename(self._inside(name))
        self.files[name] = kept.file

    def _inside(self, name: str) -> Path:
        *folders, base = require_name(name)
        folder = self.path
        for part in folders:
            folder = folder / part
            self._make(folder)
        return folder / base

    def _make(self, folder: Path) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)

    def publish(self) -> str:
        """See `Draft.publish`."""
        target, digest = self._work.target, self.files[MANIFEST].sha256
        with writing(target):
            for folder, _, names in os.walk(self.path):
                for name in names:
                    sync(Path(folder, name))
                sync(Path(folder))
            self._work.past_stopping(digest)
            if target.exists() or target.is_symlink():
                raise Refused(f"{target} appeared while the export was made")
            self.path.rename(target)
            sync(target.parent)
        return digest

    def remove(self) -> None:
        """See `Draft.remove`."""
        self._work.remove()

    def leave(self) -> None:
        """See `Draft.leave`."""
        self._work.leave()


def _walk(folder: Path) -> Iterator[str]:
    """The relative paths of all files."""
    for top, _, names in os.walk(folder):
        yield from (Path(top, name).relative_to(folder).as_posix() for name in names)
