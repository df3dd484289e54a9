"""How an import says no, and what it names although it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from zcore import Finding, Problem, Refused

if TYPE_CHECKING:
    from zops_export.notes import Notes

MOST_SHOWN = 20  # of each kind
HINTS = {
    "bad-row": "make the export again, or mend the row in the database that it is of",
    "bad-value": "make the export again, or mend the row in the database that it is of",
    "dangling-reference": "the row that is meant was lost, or deleted while the export was made;"
    " make it again",
    "duplicate-id": "two files of different exports may have been mixed",
    "duplicate-row": "mend the rows in the database that they are of, and make the export again",
    "missing-key": "the export is of another version of the server: a plugin can say what stands"
    " there (zops_import_adapters)",
    "missing-table": "take another copy of the export, or make it again",
    "not-json": "take another copy of the export, or make it again",
    "one-realm": "make one export for each organization",
    "rows-missing": "take another copy of the export, or make it again",
    "secret": "give the export to nobody, and find out who put it there",
}
"""What can be done about each kind of problem that says nothing of it itself."""


def refuse_if_problems(
    path: object,
    notes: Notes,
    others: Sequence[Problem] = (),
    data: Mapping[str, object] | None = None,
) -> None:
    """Raise `Refused` when `notes` has problems, or there are `others`.

    It shows the first ones of each kind, and says how many there are; `data` is for `--json`.
    """
    count = notes.problem_count + len(others)
    if not count:
        return
    shown = [*others, *_first_of_each_kind(notes)]
    only = shown[0]
    more = count - len(shown)
    raise Refused(
        f"the export {path} cannot be imported: {count} problems"
        if count > 1
        else f"the export {path} cannot be imported: {only.message}",
        code="bad-export" if count > 1 or notes.problem_count else only.code,
        hint=f"and {more} more" if more else only.hint if count == 1 else "",
        problems=shown,
        data={"problem_counts": dict(sorted(notes.counts.items())), **(data or {})},
    )


def _first_of_each_kind(notes: Notes) -> list[Problem]:
    counts: Counter[str] = Counter()
    shown = []
    for damage in notes.problems:
        counts[damage.code] += 1
        if counts[damage.code] <= MOST_SHOWN:
            problem = damage.as_problem()
            hint = problem.hint or HINTS.get(damage.code, "")
            shown.append(
                Problem(problem.code, problem.message, hint, where=problem.where, row=problem.row)
            )
    return shown


def passed_over(notes: Notes) -> list[Finding]:
    """What an export of a newer server has that zops does not know, and does not import."""
    places = [(place, "key", rows) for place, rows in sorted(notes.unknown_keys.items())]
    places += [(place, "table", rows) for place, rows in sorted(notes.unknown_tables.items())]
    return [
        Finding(
            f"unknown-{kind}",
            f"zops does not know {place}, which {rows:,} rows have: what stands there is not"
            " imported"
            if kind == "key"
            else f"zops does not know {place}: its {rows:,} rows are not imported",
            where=place,
            hint="the export is of another version of the server",
        )
        for place, kind, rows in places
    ]
