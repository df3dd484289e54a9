"""Who will own what an export writes: said when it is somebody who is surely not meant."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zcore import Context

ROOT = 0


def warn_root(context: Context, target: Path) -> None:
    """Warn when we are root beside files that are another user's, who could not read the export."""
    if os.geteuid() != ROOT:
        return
    for what, folder in (("the folder", target.parent), ("the server's files", _uploads(context))):
        owner = _owner(folder)
        if owner not in (None, ROOT):
            name = _name(owner)
            context.console.warn(
                f"zops runs as root, but {what} {folder} belong{'s' * (what == 'the folder')} to"
                f" {name}, who will not be able to read {target}: use 'sudo -u {name} zops ...'"
            )
            return


def _uploads(context: Context) -> Path:
    return Path(context.settings.uploads)


def _owner(folder: Path) -> int | None:
    try:
        return folder.stat().st_uid
    except OSError:  # it is not there, or is no folder but a place such as S3
        return None


def _name(user: int | None) -> str:
    try:
        return pwd.getpwuid(user or ROOT).pw_name
    except KeyError:
        return f"'#{user}'"  # as sudo takes it in a shell
