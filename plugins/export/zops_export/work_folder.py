"""The private folder that an export is made in, beside its final place and under another name.

Nothing of it can be read by others, not even for a moment: folders are made 0700, files 0600.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zops_export.claimed_folder import ClaimedFolder
from zops_export.export_record import RECORD, read_record
from zops_export.written_files import writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class WorkFolder:
    """A private folder beside `target`: `home`.

    With `resume`, what an export that was stopped or killed left there stays; without, it is
    thrown away. `earlier` is what that one wrote to the database. `past_stopping` is called with
    the export's SHA-256 when all is safe, and only the final name is left to give: what it raises
    keeps the export from that.
    Raises `Refused` when another export to `target` is being written.
    """

    past_stopping: Callable[[str], None] = staticmethod(lambda _digest: None)

    def __init__(self, target: Path, *, resume: bool = False) -> None:
        self.target = target
        self._claimed = ClaimedFolder(target)
        self.home = self._claimed.path
        self.earlier = read_record(self.home)
        if not resume:
            try:
                with writing(self.home):
                    self._claimed.clear()
            except BaseException:
                self.leave()
                raise

    def remove(self) -> None:
        """Throw it away, with everything in it; who is killed meanwhile leaves the record."""
        self._claimed.remove(last=RECORD)

    def leave(self) -> None:
        """Keep everything for a later run."""
        self._claimed.release()


def sync(path: Path) -> None:
    """Have the disk take what was written of a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
