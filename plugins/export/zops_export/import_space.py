"""Is there room for what an import writes? Judged by what it takes at least, so that no is no.

Only of places on this machine it is known: a folder of uploaded files, a SQLite file.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import ImportSource, Problem
from zcore.files import scheme_of
from zcore.stage_plan import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation
    from zcore.settings import Settings

OVERRIDE = "--ignore-free-space"
SQLITE = "sqlite:///"
SHARE_OF_JSON = 0.3  # of the JSON, in a SQLite file with its indexes: it takes half as a rule


def room_is_there(values: Sequence[ImportSource], context: Validation) -> Iterator[Problem]:
    """The disks have room for the files and rows of the export."""
    for index, source in enumerate(values):
        for place, needed in _needed(source, context.settings):
            folder = _existing(place)
            free = _free(folder)
            if free is not None and needed > free:
                yield Problem(
                    "no-space",
                    f"the import takes {size_text(needed)} or more, and there are"
                    f" {size_text(free)} free in {folder}",
                    f"make room there, or try it with {OVERRIDE}",
                    index,
                    override=OVERRIDE,
                )


def _needed(source: ImportSource, settings: Settings) -> Iterator[tuple[Path, int]]:
    """The places on this machine, and how many bytes go there; those on one disk together."""
    by_disk: dict[int, tuple[Path, int]] = {}
    found: dict[Path, int] = defaultdict(int)
    if scheme_of(settings.uploads) is None:
        found[Path(settings.uploads)] += source.size
    if settings.database_url.startswith(SQLITE):
        file = settings.database_url.removeprefix(SQLITE)
        found[Path(file)] += int(SHARE_OF_JSON * source.json_size)
    for place, size in found.items():
        try:
            disk = _existing(place).stat().st_dev
        except OSError:
            continue
        first, before = by_disk.get(disk, (place, 0))
        by_disk[disk] = first, before + size
    yield from by_disk.values()


def _existing(place: Path) -> Path:
    """The nearest folder above that is there."""
    return next((one for one in (place, *place.parents) if one.is_dir()), Path("/"))


def _free(folder: Path) -> int | None:
    """Bytes that we may still write; None when that is not known."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None
