"""The files and folders of the user and the machine, by the platform's conventions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zcore.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_FILE = Path("/etc/zops/zops.toml")


def data_folder(environ: Mapping[str, str]) -> Path:
    """The platform's folder for the user's data of zops. It need not exist."""
    if sys.platform == "linux":
        return _xdg(environ, "XDG_DATA_HOME", ".local/share") / "zops"
    import platformdirs

    return Path(platformdirs.user_data_dir("zops", appauthor=False))


def user_file(environ: Mapping[str, str]) -> Path:
    """The user's own configuration file. It need not exist."""
    if sys.platform == "linux":
        return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "zops/zops.toml"
    import platformdirs

    return Path(platformdirs.user_config_dir("zops", appauthor=False)) / "zops.toml"


def _xdg(environ: Mapping[str, str], variable: str, otherwise: str) -> Path:
    """A base folder of the XDG specification.

    platformdirs gives the same, but takes a third of the whole start-up time to import.
    """
    given = environ.get(variable, "")
    if os.path.isabs(given):
        return Path(given)
    home = environ.get("HOME") or os.path.expanduser("~")
    if not os.path.isabs(home):
        raise Refused(
            "this user has no home folder to keep data in",
            hint="name a data folder with ZOPS_HOME",
            code="no-home",
        )
    return Path(home) / otherwise
