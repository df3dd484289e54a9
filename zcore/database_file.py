"""The file of a SQLite database: which one a URL names, and making it."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zcore.private_folders import make_private_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL


def file_of(url: URL) -> Path:
    """The file that `url` names. Raises `Refused` when it cannot be one, or is a folder."""
    if not url.database or url.database == ":memory:":
        raise Refused(
            "a database in memory would be gone at the end of the command",
            hint="name a file: sqlite:////path/to/file",
        )
    if url.query:
        raise Refused(
            f"zops takes no options for SQLite: {', '.join(sorted(url.query))}",
            hint="leave out the question mark, and all behind it, of the database URL",
        )
    path = Path(url.database)
    if os.path.isdir(path):
        raise Refused(f"{path} is a folder, not a database file")
    return path


def is_there(path: Path) -> bool:
    """Is there such a file? Raises `Refused` when that cannot be seen."""
    try:
        return path.exists()
    except OSError as error:
        raise Refused(f"cannot look for the database file {path}: {error.strerror}") from error


def require_file(path: Path) -> None:
    """Raise `Refused` when the file is not there."""
    if not is_there(path):
        raise Refused(
            f"there is no database file {path}",
            code="no-database",
            hint="create it with 'zops db init', or name the right file",
        )


def make_file(path: Path, fill: Callable[[Path], None]) -> None:
    """Make the file, 0600, with what `fill` puts into it.

    It is filled under another name, so that another process that also makes it, or only opens
    it, never sees half of it; who is first to be done has made it. Raises `Failed`.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        make_private_folder(path.parent)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        fill(draft)
        _give_name(draft, path)
    except OSError as error:
        raise Refused(f"cannot create the database file {path}: {error.strerror}") from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(f"{draft}{suffix}")


def _give_name(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was faster; its tables are as good
    except OSError:  # a file system without links: the name was free a moment ago
        draft.rename(path)
