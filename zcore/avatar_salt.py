"""The salt in the names of avatars where no server gives one: kept in the data folder."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from zcore.errors import Failed
from zcore.private_folders import make_private_folder

if TYPE_CHECKING:
    from pathlib import Path

AVATAR_SALT_FILE = "avatar_salt"


def own_avatar_salt(home: Path) -> str:
    """The salt of the data folder, made at first use. Raises `Failed` when it cannot be kept."""
    path = home / AVATAR_SALT_FILE
    try:
        make_private_folder(home)
        if not path.exists():
            _make_salt(path)
        salt = path.read_text("ascii").strip()
    except OSError as error:
        raise Failed(f"cannot keep the avatar salt in {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        salt = ""
    if not salt:
        raise Failed(f"there is no avatar salt in {path}", hint="restore the file from a backup")
    return salt


def _make_salt(path: Path) -> None:
    """Make the file, complete from its first moment; another process may be faster."""
    aside = path.with_name(f".{secrets.token_hex(8)}.partial")
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(16))
    try:
        os.link(aside, path)
    except FileExistsError:
        pass  # the other process's salt holds
    except OSError:  # a file system without links
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
