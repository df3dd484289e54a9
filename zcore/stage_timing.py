"""How long the stages of a job took: the table that is shown when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.console import table
from zcore.stage_plan import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.journal import StageReport

COLUMNS = ("stage", "rows", "files", "size", "seconds", "rows/s", "size/s")


def timing_table(reports: Sequence[StageReport], seconds: float) -> str:
    """What each stage did and how fast, and all of them in the `seconds` that the job took."""
    lines = [_line(report) for report in sorted(reports, key=lambda one: -one.seconds)]
    totals = {what: sum(one.count(what) for one in reports) for what in ("rows", "files", "bytes")}
    return table(COLUMNS, [*lines, _cells("total", totals, seconds)])


def _line(report: StageReport) -> list[str]:
    counts = {what: report.count(what) for what in ("rows", "files", "bytes")}
    return _cells(report.name, counts, None if report.kept else report.seconds)


def _cells(name: str, counts: dict[str, int], seconds: float | None) -> list[str]:
    """The cells of a line; a stage that was done before took no time of this run."""
    rows, files, size = counts["rows"], counts["files"], counts["bytes"]
    return [
        name,
        f"{rows:,}" if rows else "",
        f"{files:,}" if files else "",
        size_text(size) if size else "",
        "kept" if seconds is None else f"{seconds:.2f}",
        f"{rows / seconds:,.0f}" if rows and seconds else "",
        size_text(size / seconds) if size and seconds else "",
    ]
