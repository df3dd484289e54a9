"""The mark of the last export that succeeded: a small JSON file for whoever watches backups.

It is replaced in one step and only when an export is there and was verified, so its `finished` is
never younger than the newest export that can be used. All may read it; it holds no secret.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import datetime
from pathlib import Path

import msgspec

from zcore import Failed

PUBLIC = 0o644


class MarkedExport(msgspec.Struct):
    """An export of the series that is there."""

    name: str
    bytes: int


class SuccessMark(msgspec.Struct):
    """What the mark says. `unix_time` is `finished` in seconds since 1970."""

    realm: str
    mode: str
    path: str
    started: datetime
    finished: datetime
    unix_time: int
    bytes: int
    sha256: str
    findings: int
    verified: bool
    zops: str
    exports: list[MarkedExport]


def read_mark(path: Path) -> SuccessMark | None:
    """The mark at `path`; None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SuccessMark)
    except (OSError, msgspec.MsgspecError):
        return None


def write_mark(path: Path, mark: SuccessMark) -> None:
    """Put `mark` at `path`, in one step. Raises `Failed`."""
    content = msgspec.json.format(msgspec.json.encode(mark), indent=2) + b"\n"
    try:
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, PUBLIC)
                os.fsync(descriptor)
            os.replace(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise
        _sync(path.parent)
    except OSError as error:
        raise Failed(f"cannot write the mark {path}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
