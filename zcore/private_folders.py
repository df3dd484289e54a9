"""Folders that only their owner can look into."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_private_folder(folder: Path) -> list[Path]:
    """Make `folder` and what is missing above it, each 0700; returns those made, outermost first.

    `Path.mkdir(parents=True)` would leave the mode of those above it to the umask. Raises
    `OSError`.
    """
    missing: list[Path] = []
    while not folder.is_dir():
        missing.insert(0, folder)
        folder = folder.parent
    for new in missing:
        new.mkdir(mode=0o700, exist_ok=True)
    return missing
