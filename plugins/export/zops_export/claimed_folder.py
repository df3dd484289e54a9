"""A private folder that one process at a time works in, beside the place of what it makes.

Its name follows from that place, so that what a killed process left is found again: nobody holds
its lock any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path

from zcore import Refused

SUFFIX = ".partial"
IN_USE = (errno.EWOULDBLOCK, errno.EACCES)
OTHER_OUTPUT = "choose another place with --output"


class ClaimedFolder:
    """The folder for what is to stand at `target`, made where it is not there.

    Raises `Refused` when another process works in it, when it cannot be made, and when others
    can look into it.
    """

    def __init__(self, target: Path) -> None:
        self.path = work_folder_of(target)
        self._descriptor = _claim(self.path)

    def clear(self, *, but: str = "") -> None:
        """Remove everything in it, but the file of that name."""
        for path in self.path.iterdir():
            if path.name != but:
                _remove(path)

    def remove(self, *, last: str = "") -> None:
        """Throw it away, with everything in it; of all files, the one of that name `last`."""
        with contextlib.suppress(OSError):
            self.clear(but=last)
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let another process have what is in it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)  # which gives the lock back
            self._descriptor = -1


def work_folder_of(target: Path) -> Path:
    """The folder in which what is to stand at `target` is made."""
    return target.with_name(f".{target.name}{SUFFIX}")


def left_targets(folder: Path, pattern: str) -> list[Path]:
    """What processes work on in `folder`, or did until they were killed, and fits `pattern`."""
    return [_target(path) for path in sorted(folder.glob(f".{pattern}{SUFFIX}"))]


def _target(path: Path) -> Path:
    """What is to be made of the folder."""
    return path.with_name(path.name[1:].removesuffix(SUFFIX))


def _claim(path: Path) -> int:
    """A descriptor of the folder with its lock, once the folder is the one that stands there."""
    while True:
        descriptor = _opened(path)
        try:
            _require_own(descriptor, path)
            _lock(descriptor, path)
            if _is_same(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        if path.parent.is_dir():  # whoever had it removed it just now
            return _opened(path)
        raise Refused(f"there is no folder {path.parent}", hint=OTHER_OUTPUT) from None
    except OSError as error:
        raise Refused(
            f"cannot write to {path.parent}: {error.strerror}", hint=OTHER_OUTPUT
        ) from error


def _require_own(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Refused(f"{path} is not ours alone", hint=f"remove it, or {OTHER_OUTPUT}")


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in IN_USE:
            raise Refused(
                f"another export is being written to {_target(path)}",
                hint=f"wait for it, or {OTHER_OUTPUT}",
                code="in-use",
            ) from None
        raise Refused(
            f"cannot lock {path}: {error.strerror}",
            hint="choose a place on a local disk with --output",
        ) from error


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
