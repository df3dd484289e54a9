"""What `zops verify` says: the first problems of each kind, and how many there are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zcore import Finding, Result

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zops_export.notes import Damage, Notes
    from zops_export.survey import Survey

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


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found out of an export.

    `found` is None when it could not be read to its end; `imported`, when an import was tried and
    done, counts its rows by table.
    """

    path: Path | str
    notes: Notes
    found: Survey | None = None
    imported: Mapping[str, int] | None = None


def report(verified: Verified) -> Result:
    """The same as the result of the command."""
    shown = _shown(verified.notes)
    findings = [Finding(one.code, one.message, one.file, one.hint) for one in shown]
    return Result(_data(verified, shown), "\n".join(_lines(verified, len(shown))), findings)


def _data(verified: Verified, shown: list[Damage]) -> dict[str, object]:
    notes, found = verified.notes, verified.found
    data: dict[str, object] = {
        "problems": [_problem(damage) for damage in shown],
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
            "unknown_tables": dict(sorted(notes.unknown_tables.items())),
            "adapted": dict(sorted(found.adapting.used.items())),
        }
    if verified.imported is not None:
        data["imported"] = verified.imported
    return data


def _problem(damage: Damage) -> dict[str, str]:
    return {
        "code": damage.code,
        "message": damage.message,
        "where": damage.file,
        "row": damage.row,
        "hint": damage.hint,
    }


def _shown(notes: Notes) -> list[Damage]:
    """The first problems of each kind, so that many of one kind hide no other."""
    counts: Counter[str] = Counter()
    shown = []
    for damage in notes.problems:
        counts[damage.code] += 1
        if counts[damage.code] <= MOST_SHOWN:
            hint = damage.hint or HINTS.get(damage.code, ANOTHER_COPY)
            shown.append(replace(damage, hint=hint))
    return shown


def _lines(verified: Verified, shown: int) -> list[str]:
    notes, imported = verified.notes, verified.imported
    lines = _damaged(verified, shown) if notes.problem_count else [_whole(verified)]
    if notes.unknown_keys:
        lines.append(f"keys that zops does not know: {', '.join(sorted(notes.unknown_keys))}")
    if notes.unknown_tables:
        lines.append(f"tables that zops does not know: {', '.join(sorted(notes.unknown_tables))}")
    if imported is not None:
        lines.append(f"{sum(imported.values()):,} rows came in when an import was tried")
    return lines


def _whole(verified: Verified) -> str:
    if verified.found is None:
        return f"{verified.path} is whole"
    index = verified.found.index
    return (
        f"{verified.path} is whole and coherent: organization {index.realm.get('name')!r},"
        f" {sum(index.counts.values()):,} rows, {len(index.records):,} files"
    )


def _damaged(verified: Verified, shown: int) -> list[str]:
    notes, found = verified.notes, verified.found
    kinds = ", ".join(f"{count:,} {code}" for code, count in sorted(notes.counts.items()))
    lines = [f"{verified.path} is damaged: {kinds}"]
    if shown < notes.problem_count:
        lines.append(f"{shown} of {notes.problem_count:,} problems are shown")
    if found is not None and found.broken:
        lines.append("what rows point at was not looked at, because rows are missing")
    return lines
