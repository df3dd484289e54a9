"""Packing an export into one `.tar.gz`."""

from __future__ import annotations

import hashlib
import os
import tarfile
from typing import TYPE_CHECKING, BinaryIO

from isal import igzip

from zops_export.work_folder import explained

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPRESSION_LEVEL = 2
SUFFIX = ".tar.gz"


class _HashingWriter:
    """Passes everything on and hashes it."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return self.raw.write(data)

    def flush(self) -> None:
        self.raw.flush()


def pack(folder: Path, top: str, target: Path, may_go_on: Callable[[], None]) -> str:
    """Write everything in `folder` to the new archive `target` (0600), below the name `top`.

    The JSON comes before the files, so that a reader knows the organization before its files.
    Returns the SHA-256 of the archive in hex. Raises `Failed` when it cannot be written.
    """
    with explained(target):
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as raw:
                return _pack_into(raw, folder, top, may_go_on)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _pack_into(raw: BinaryIO, folder: Path, top: str, may_go_on: Callable[[], None]) -> str:
    writer = _HashingWriter(raw)
    with (
        igzip.IGzipFile(  # type: ignore[no-untyped-call]
            filename="", fileobj=writer, mode="wb", compresslevel=COMPRESSION_LEVEL
        ) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as archive,
    ):
        for path in _in_order(folder):
            may_go_on()
            name = f"{top}/{path.relative_to(folder).as_posix()}"
            archive.add(path, name, recursive=False, filter=_private)
    return writer.hash.hexdigest()


def _in_order(folder: Path) -> list[Path]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(
        paths,
        key=lambda path: (path.name != "realm.json", path.suffix != ".json", path.as_posix()),
    )


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Say nothing of who made the archive, and let only its owner read what is unpacked."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member
