"""Rules about what `zops export` is asked for: validators of `export.request`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import ExportRequest, Problem

if TYPE_CHECKING:
    from zcore import Validation

OTHER_OUTPUT = "choose another place with --output"


def target_is_free(values: Sequence[ExportRequest], context: Validation) -> Iterator[Problem]:
    """Nothing stands where the export is to be. An object store is asked by the export itself."""
    for index, request in enumerate(values):
        if "://" in request.target:
            continue
        target = Path(request.target)
        try:
            taken = target.exists() or target.is_symlink()
        except OSError as error:
            message = f"cannot write {target}: {error.strerror}"
            yield Problem("unusable-target", message, OTHER_OUTPUT, index)
            continue
        if taken:
            yield Problem("exists", f"{target} is already there", OTHER_OUTPUT, index)


def folder_is_there(values: Sequence[ExportRequest], context: Validation) -> Iterator[Problem]:
    """There is a folder to put it in. The one for uploads is made."""
    for index, request in enumerate(values):
        if "://" in request.target or request.upload:
            continue
        folder = Path(request.target).parent
        try:
            there = folder.is_dir()
        except OSError:  # a name that is too long
            there = False
        if not there:
            yield Problem("no-folder", f"there is no folder {folder}", OTHER_OUTPUT, index)
