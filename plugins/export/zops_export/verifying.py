"""`zops verify`: what is wrong with an export, all of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zcore import Context, Finding, Refused, Result
from zops_export.export_source import streamed
from zops_export.file_checks import check_files, check_ids, check_numbers
from zops_export.notes import Damage, Notes
from zops_export.second_reading import read_again
from zops_export.server_version import built_in_versions
from zops_export.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from zcore.console import Progress
    from zops_export.export_source import NamedFile, Streamed

# What can be wrong with something that is an export, so that it cannot be read to its end.
DAMAGES = frozenset({"damaged-archive", "unsafe-member", "duplicate-member"})
MOST_SHOWN = 20  # of each kind
ANOTHER_COPY = "take another copy of the export, or make it again"
HINTS = {
    "bad-row": "an import refuses it: make the export again, or mend the row in the database",
    "bad-value": "an import refuses it: make the export again, or mend the row in the database",
    "dangling-reference": "an import refuses it: the row that is meant was lost, or deleted while"
    " the export was made; make it again",
    "duplicate-id": "an import refuses it: two files of different exports may have been mixed",
    "duplicate-row": "an import refuses it: two files of different exports may have been mixed",
    "duplicate-record": "two files of different exports may have been mixed",
    "extra-file": "an import passes over it; find out who put it there",
    "message-file-missing": ANOTHER_COPY,
    "missing-file": "an import leaves out what it belongs to; take another copy of the export",
    "missing-key": "the export is of another version of the server",
    "one-realm": "two exports have been mixed: make one for each organization",
    "orphan-file": "an import passes over it; two exports may have been mixed",
    "rows-missing": ANOTHER_COPY,
    "secret": "give the export to nobody, and find out who put it there",
    "unfinished-export": "make the export again",
    "wrong-size": "something has changed it since it was exported: take another copy",
}
"""What can be done about each kind of problem that says nothing of it itself."""


def verify_export(context: Context, path: Path, *, deep: bool = False) -> Result:
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
    return _result(path, found, imported, notes)


def _read(context: Context, source: Streamed, notes: Notes) -> Survey:
    with context.console.progress("verifying files") as progress:
        source = _Shown(source, progress)
        found = survey(source, notes, context.stop.check)
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
    """Are all keys of its rows known? Those of newer servers have more, also in exports of zops."""
    return found.manifest is None and found.zulip_version in built_in_versions()


def _result(
    path: Path, found: Survey | None, imported: Mapping[str, int] | None, notes: Notes
) -> Result:
    shown = _shown(notes)
    data: dict[str, object] = {
        "problems": [
            {
                "code": damage.code,
                "message": damage.message,
                "where": damage.file,
                "row": damage.row,
                "hint": damage.hint,
            }
            for damage in shown
        ],
        "problem_count": notes.problem_count,
        "problem_counts": dict(sorted(notes.counts.items())),
    }
    if found is not None:
        data |= {
            "realm": found.index.realm.get("string_id"),
            "rows": sum(found.index.counts.values()),
            "files": len(found.index.records),
            "soft_references": dict(sorted(notes.soft.items())),
            "unknown_keys": dict(sorted(notes.unknown_keys.items())),
        }
    if imported is not None:
        data["imported"] = imported
    lines = _text(path, found, notes, len(shown))
    if notes.unknown_keys:
        lines.append(f"keys that zops does not know: {', '.join(sorted(notes.unknown_keys))}")
    if imported is not None:
        lines.append(f"{sum(imported.values()):,} rows came in when an import was tried")
    return Result(data, "\n".join(lines), [_finding(damage) for damage in shown])


def _shown(notes: Notes) -> list[Damage]:
    """The first problems of each kind, so that many of one kind hide no other."""
    counts: dict[str, int] = {}
    shown = []
    for damage in notes.problems:
        counts[damage.code] = counts.get(damage.code, 0) + 1
        if counts[damage.code] <= MOST_SHOWN:
            hint = damage.hint or HINTS.get(damage.code, ANOTHER_COPY)
            shown.append(replace(damage, hint=hint))
    return shown


def _finding(damage: Damage) -> Finding:
    return Finding(damage.code, damage.message, damage.file, damage.hint)


def _text(path: Path, found: Survey | None, notes: Notes, shown: int) -> list[str]:
    if not notes.problem_count and found is not None:
        rows = sum(found.index.counts.values())
        return [
            f"{path} is whole and coherent: organization {found.index.realm.get('name')!r},"
            f" {rows:,} rows, {len(found.index.records):,} files"
        ]
    kinds = ", ".join(f"{count:,} {code}" for code, count in sorted(notes.counts.items()))
    lines = [f"{path} is damaged: {kinds}"]
    if shown < notes.problem_count:
        lines.append(f"{shown} of {notes.problem_count:,} problems are shown")
    if found is not None and found.broken:
        lines.append("what rows point at was not looked at, because rows are missing")
    return lines
