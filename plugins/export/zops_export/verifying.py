"""`zops verify`: what is wrong with an export, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Context, Finding, Refused, Result
from zops_export.checking import check_export, check_manifest
from zops_export.export_index import read_index
from zops_export.export_source import opened

if TYPE_CHECKING:
    from pathlib import Path

# What can be wrong with an export so that it cannot be read to its end.
DAMAGES = frozenset({"damaged-archive", "message-file-missing", "not-json"})


def verify_export(context: Context, path: Path) -> Result:
    """Check the export at `path`. Raises `Refused` when there is none."""
    try:
        return _verify(context, path)
    except Refused as error:
        if error.code not in DAMAGES:
            raise
        problem = {"code": error.code, "message": error.message, "where": str(path)}
        finding = Finding(error.code, error.message, hint=error.hint)
        data = {"problems": [problem], "problem_count": 1}
        return Result(data, f"{path} is damaged", (finding,))


def _verify(context: Context, path: Path) -> Result:
    with opened(path, context.stop.check) as source:
        index = read_index(source, context.stop.check)
        checked = check_export(source, index, context.stop.check)
        check_manifest(source, checked, context.stop.check)
    findings = [
        Finding(problem.code, problem.message, hint=problem.hint)
        for problem in checked.notes.problems
    ] + checked.findings
    rows = sum(index.counts.values())
    data = {
        "problems": [
            {"code": found.code, "message": found.message, "where": found.where}
            for found in findings
        ],
        "problem_count": checked.notes.problem_count + len(checked.findings),
        "realm": index.realm.get("string_id"),
        "rows": rows,
        "files": len(index.records),
        "soft_references": dict(sorted(checked.notes.soft.items())),
    }
    state = "is whole and coherent" if not findings else "has problems"
    text = (
        f"{path} {state}: organization {index.realm.get('name')!r}, {rows:,} rows,"
        f" {len(index.records):,} files"
    )
    return Result(data, text, tuple(findings))
