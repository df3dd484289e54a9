"""`zops verify`: what is wrong with an export, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Context, Refused, Result
from zops_export.export_source import streamed
from zops_export.file_checks import check_files, check_ids, check_numbers
from zops_export.notes import Notes
from zops_export.second_reading import read_again
from zops_export.server_version import built_in_versions
from zops_export.survey import Survey, survey
from zops_export.verify_report import Verified, report

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from zcore.console import Progress
    from zops_export.export_source import NamedFile, Streamed

# What can be wrong with something that is an export, so that it cannot be read to its end.
DAMAGES = frozenset({"damaged-archive", "unsafe-member", "duplicate-member"})


def verify_export(context: Context, path: Path | str, *, deep: bool = False) -> Result:
    """Check the export at `path`; with `deep`, try an import as well.

    Raises `Refused` when there is no export.
    """
    notes = Notes()
    found = None
    imported = None
    try:
        source = streamed(path, context.stop.check)
        found = _read(context, source, notes)
    except Refused as error:
        if error.code not in DAMAGES:
            raise
        notes.file = ""
        notes.problem(error.code, error.message, error.hint)
    if deep and found is not None and not found.broken:
        from zops_export.deep_verifying import try_import

        imported = try_import(context, path, found, notes)
    return report(Verified(path, notes, found, imported))


def _read(context: Context, source: Streamed, notes: Notes) -> Survey:
    with context.console.progress("verifying files") as progress:
        source = _Shown(source, progress)
        found = survey(source, context.plugins, notes, context.stop.check)
        notes.every_key_known = _is_of_known_form(found)
        check_ids(found, notes)
        check_numbers(found, notes)
        check_files(source, found, notes)
        read_again(source, found, notes, context.stop.check)
    return found


class _Shown:
    """An export whose files are counted while they are read."""

    def __init__(self, source: Streamed, progress: Progress) -> None:
        self.path, self.names, self.sizes = source.path, source.names, source.sizes
        self._source = source
        self._progress = progress

    def files(self, wanted: Container[str]) -> Iterator[NamedFile]:
        """See `Streamed.files`."""
        for file in self._source.files(wanted):
            yield file
            self._progress.advance()


def _is_of_known_form(found: Survey) -> bool:
    """Are all keys of its rows known?

    Those of newer servers have more, also in exports of zops, and converters write others.
    """
    known = found.zulip_version in built_in_versions() and not found.index.is_converted
    return known and found.manifest is None
