"""What the core looks at in `zops doctor --server`: files and users of a server on this machine."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from zcore.text import mask_passwords
from zcore.values import Check, CheckResult

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.context import Context

SERVER_CHECKS = (
    Check("server-files", f"{__name__}:server_files", "whose would be the files that zops makes?"),
    Check("server-user", f"{__name__}:server_user", "does zops run as the server's user?"),
)
ROOT = 0


def server_files(context: Context) -> CheckResult:
    """Would files that zops makes among the uploads belong to whom the others belong to?"""
    place = context.settings.uploads
    if place == "s3" or "://" in place:
        return CheckResult("ok", f"{mask_passwords(place)}: no files of a user of this machine")
    if context.settings.is_default("uploads"):
        hint = "set ZOPS_UPLOADS, or ZOPS_ZULIP_CONF"
        return CheckResult("skipped", "the server's uploads were not named", hint)
    owner = _owner(place)
    if owner is None:
        return CheckResult("failed", f"{place} cannot be looked at, or is not there")
    return _compare(owner, f"{place} belongs to", "imported files would belong to")


def server_user(context: Context) -> CheckResult:
    """Do we run as the user that the server runs as?"""
    folder = context.settings.deployments
    owner = _owner(folder)
    if owner is None:
        return CheckResult("skipped", f"{folder} is not there: no server runs on this machine")
    return _compare(owner, f"{folder} belongs to", "what zops makes would belong to")


def _compare(owner: int, whose: str, otherwise: str) -> CheckResult:
    """Are we the user `owner`? Root may do everything, and that is what is wrong with it."""
    us = os.geteuid()
    if us == owner:
        return CheckResult("ok", f"{whose} {_name(owner)}, and zops runs as that user")
    message = f"{whose} {_name(owner)}, and zops runs as {_name(us)}"
    hint = f"run zops as {_name(owner)}: sudo -u {_name(owner)} zops ..."
    if us == ROOT:
        return CheckResult("warning", f"{message}: {otherwise} root", hint)
    return CheckResult("warning", f"{message}, which may not be let in", hint)


def _owner(path: str | Path) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # of another machine, perhaps
        return f"user {user}"
