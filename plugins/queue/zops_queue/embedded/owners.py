"""Who is alive: each consumer holds a lock on a file of its own for as long as it lives.

The operating system lets go of a lock when its process ends, however it ends, so a lease needs
no time limit: events stay with a slow worker and leave a dead one at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from typing import TYPE_CHECKING

from zops_queue.held_files import is_held

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def owners_folder(path: Path) -> Path:
    """The folder of those who take from the queue file `path`."""
    return path.with_name(f"{path.name}-owners")


class OwnerLock:
    """The proof that one consumer of `queues` lives. Made locked; `close` ends it."""

    def __init__(self, folder: Path, queues: Iterable[str]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.token = secrets.token_hex(16)
        self._path = folder / self.token
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.write(self._descriptor, "\n".join(queues).encode())

    def close(self) -> None:
        """Let go, and leave no file behind."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_alive(folder: Path, token: str) -> bool:
    """Does the owner with `token` still hold its lock?"""
    return is_held(folder / token)


def takes_from(folder: Path, token: str, queue: str) -> bool:
    """Does the owner with `token` live, and consume `queue`?"""
    try:
        queues = (folder / token).read_text().split("\n")
    except FileNotFoundError:
        return False
    return queue in queues and is_alive(folder, token)


def forget(folder: Path, token: str) -> None:
    """Remove the file of a dead owner."""
    with contextlib.suppress(FileNotFoundError):
        (folder / token).unlink()
