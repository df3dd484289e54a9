"""The deployments of a Zulip server on this machine, and the prefix of each one's cache keys.

A server that is upgraded gets a new deployment, and the old ones stay for going back. Each keeps
its entries in memcached apart by a prefix of its own, so what is stale is so under all of them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from zcore.settings_table import DEPLOYMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX_FILE = "var/remote_cache_prefix"
PREFIX = re.compile(r"[0-9a-f]{32}:")
ROOTS_DEPLOYMENT = DEPLOYMENTS.parents[2] / "root/zulip"  # a copy that only root can read


def cache_prefixes(folder: Path) -> list[str]:
    """The prefixes of the deployments in `folder`, each once; those that we may not read are not
    among them."""
    return sorted({prefix for path in _deployments(folder) if (prefix := _prefix(path))})


def _deployments(folder: Path) -> Iterator[Path]:
    """Folders of deployments; several may be one and the same (`current`, `last`)."""
    with suppress(OSError):
        yield from folder.iterdir()
    if folder == DEPLOYMENTS:
        yield ROOTS_DEPLOYMENT


def _prefix(deployment: Path) -> str:
    try:
        text = (deployment / PREFIX_FILE).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if PREFIX.fullmatch(text) else ""
