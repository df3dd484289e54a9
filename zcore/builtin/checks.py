"""What the core itself looks at in `zops doctor`. Nothing here writes or creates anything."""

from __future__ import annotations

import os
import platform
import stat
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from zcore.errors import ZopsError
from zcore.text import mask_passwords
from zcore.values import Check, CheckResult
from zcore.version import __version__

if TYPE_CHECKING:
    from zcore.context import Context

CHECKS = (
    Check("versions", f"{__name__}:versions", "what runs here?"),
    Check("settings", f"{__name__}:settings", "is every setting read and understood?"),
    Check("data-folder", f"{__name__}:data_folder", "is it private, and can it be written?"),
    Check("database", f"{__name__}:database", "is it there, with its tables?"),
    Check("files", f"{__name__}:files", "is the place of uploaded files there?"),
    Check("plugins", f"{__name__}:plugins", "do all plugins work?"),
)


def versions(context: Context) -> CheckResult:
    """zops, Python and the libraries that talk to services."""
    libraries = ("SQLAlchemy", "psycopg2-binary", "pika", "boto3", "click", "pluggy")
    names = [f"zops {__version__}", f"Python {platform.python_version()}"]
    return CheckResult(
        "ok", ", ".join([*names, *(f"{name} {version(name)}" for name in libraries)])
    )


def settings(context: Context) -> CheckResult:
    """What was ignored, or could not be read."""
    found = context.settings
    notes = [*found.problems, *found.unread]
    if notes:
        return CheckResult("warning", "; ".join(notes), hint="see 'zops settings'")
    given = sum(not found.is_default(row.name) for row in found.rows())
    return CheckResult("ok", f"{given} given, the others are defaults")


def data_folder(context: Context) -> CheckResult:
    """Is it there or can it be made, can it be written, and by nobody else?"""
    home = context.settings.home
    try:
        return _data_folder(home)
    except OSError as error:
        return CheckResult("failed", f"{home} cannot be looked at: {error.strerror}", HOME)


def _data_folder(home: Path) -> CheckResult:
    status = _status(home)
    if status is None:
        parent = next(parent for parent in home.parents if _status(parent) is not None)
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
            return CheckResult("ok", f"{home} will be made by first use")
        return CheckResult("failed", f"{home} is not there, and {parent} cannot be written", HOME)
    if not stat.S_ISDIR(status.st_mode) or not os.access(home, os.W_OK | os.X_OK):
        return CheckResult("failed", f"{home} is not a folder that can be written", HOME)
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        hint = f"chmod 700 {home}"
        return CheckResult("warning", f"{home} can be looked into by other users", hint)
    return CheckResult("ok", str(home))


def _status(path: Path) -> os.stat_result | None:
    """None when nothing is there. Raises `OSError` when that cannot be known."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


HOME = "name another folder with ZOPS_HOME"


def database(context: Context) -> CheckResult:
    """Does it answer, and does it hold Zulip's tables?"""
    shown = mask_passwords(context.settings.database_url)
    try:
        found = context.database
    except ZopsError as error:
        if error.code == "no-database" and context.settings.is_default("database_url"):
            return CheckResult("ok", f"{shown} will be made by first use")
        raise
    origin = context.settings.origin("database_url")
    return CheckResult("ok", f"{found.dialect}, {shown} ({origin})")


def files(context: Context) -> CheckResult:
    """Is the folder of uploaded files there? Other places are opened by their plugins."""
    from zcore.files import open_place, scheme_of

    place = context.settings.uploads
    if scheme_of(place) is not None:
        open_place(context.settings, context.plugins)
        return CheckResult("ok", f"{mask_passwords(place)} answers")
    origin = context.settings.origin("uploads")
    try:
        status = _status(Path(place))
    except OSError as error:
        return CheckResult("failed", f"{place} ({origin}) cannot be looked at: {error.strerror}")
    if status is not None and stat.S_ISDIR(status.st_mode):
        return CheckResult("ok", place)
    if context.settings.is_default("uploads"):
        return CheckResult("ok", f"{place} will be made by first use")
    return CheckResult("failed", f"{place} ({origin}) is not a folder")


def plugins(context: Context) -> CheckResult:
    """Is one of them broken, or in parts?"""
    infos = context.plugins.infos
    wrong = [f"{info.name}: {info.error}" for info in infos if info.error]
    if wrong:
        return CheckResult("warning", "; ".join(wrong), hint="see 'zops plugins show NAME'")
    active = [info.name for info in infos if info.status == "active"]
    return CheckResult("ok", f"active: {', '.join(active) or 'none'}")
