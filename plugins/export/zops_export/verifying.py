"""`zops verify`: what is wrong with an export, all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Context, Finding, Result
from zops_export.checking import check_export, check_manifest
from zops_export.export_index import read_index
from zops_export.export_source import opened

if TYPE_CHECKING:
    from pathlib import Path


def verify_export(context: Context, path: Path) -> Result:
    """Check the export at `path`. Raises `Refused` when it cannot even be read."""
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
