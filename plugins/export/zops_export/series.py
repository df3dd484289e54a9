"""Exports that were made one after the other under one `--output` with the time in its name.

What is of a series is looked at twice: by its name, and by the manifest inside, which has to say
that it is of the same organization in the same mode. Nothing else is ever removed.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from zcore import Refused
from zops_export.archive_reading import read_members
from zops_export.claimed_folder import SUFFIX as UNFINISHED
from zops_export.manifest import MANIFEST

if TYPE_CHECKING:
    from zops_export.output_names import OutputName

MayGoOn = Callable[[], None]
Seen = Mapping[str, int]


class _Manifest(msgspec.Struct):
    """What the manifest of an export says, as far as it matters here."""

    zops: str
    realm: str
    mode: str


@dataclass(frozen=True, slots=True)
class Series:
    """The exports in `folder` called `name`, of the organization `realm` in one mode.

    `seen` are sizes of archives by name that were found to be of the series before: where the
    size is still the same, they are not read again.
    """

    folder: Path
    name: OutputName
    realm: str
    mode: str
    seen: Seen

    def before(self, export: Path, may_go_on: MayGoOn) -> Iterator[Path]:
        """Those of an earlier moment than `export`, the newest first."""
        moment = self.name.moment(self.realm, export.name)
        named: list[tuple[datetime, Path]] = []
        for path in self.folder.iterdir():
            made = self.name.moment(self.realm, path.name)
            if made is not None and moment is not None and made < moment:
                named.append((made, path))
        for _, path in sorted(named, reverse=True):
            may_go_on()
            if self._has(path):
                yield path

    def _has(self, path: Path) -> bool:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and self.seen.get(path.name) == found.st_size:
            return True
        manifest = _manifest(path, found.st_mode)
        if manifest is None:
            return False
        return (manifest.realm, manifest.mode) == (self.realm, self.mode)


def _manifest(path: Path, mode: int) -> _Manifest | None:
    """The manifest of the export at `path`; None when it is no export that zops made."""
    try:
        if stat.S_ISDIR(mode):
            return _decoded((path / MANIFEST).read_bytes())
        return _packed_manifest(path) if stat.S_ISREG(mode) else None
    except (OSError, Refused):
        return None


def _packed_manifest(path: Path) -> _Manifest | None:
    for name, _, content in read_members(path):
        if PurePosixPath(name).parts[1:] == (MANIFEST,):
            return _decoded(content.read())
    return None


def _decoded(content: bytes) -> _Manifest | None:
    try:
        return msgspec.json.decode(content, type=_Manifest)
    except msgspec.MsgspecError:
        return None


def remove_export(path: Path) -> None:
    """Remove an archive or folder; killed meanwhile, nothing half is left under its name.

    Raises `OSError`.
    """
    if not path.is_dir():
        path.unlink()
        return
    aside = path.with_name(f".{path.name}{UNFINISHED}")  # which the next export throws away
    os.rename(path, aside)
    shutil.rmtree(aside)
