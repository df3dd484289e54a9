"""The lines that show on a terminal how far a job of stages is.

Imported only when they are shown, because rich takes a while to import. They are made anew a few
times a second from the counters of `zcore.stage_progress`: what a job does does not wait for them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zcore.stage_plan import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.stage_progress import StageLine, StageProgress

TIMES_A_SECOND = 4


@contextmanager
def shown(progress: StageProgress, label: str) -> Iterator[None]:
    """Show `progress` on stderr while inside; whatever else is written there appears above it."""
    live = Live(
        console=Console(stderr=True),
        get_renderable=lambda: _lines(progress, label),
        refresh_per_second=TIMES_A_SECOND,
        redirect_stdout=False,  # stdout is the result's, also while this is shown
        transient=True,
    )
    with live:
        yield


def _lines(progress: StageProgress, label: str) -> Table:
    """A line for each stage that runs, and one for all."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, overflow="ellipsis")
    for _ in range(4):
        lines.add_column(justify="right", no_wrap=True)
    running = progress.running()
    for line in running:
        lines.add_row(*map(Text, _cells(line, line.seconds_left)))
    total = progress.total(f"{label} ({progress.done_stages} of {progress.stages} stages)")
    lines.add_row(*map(Text, _cells(total, _time_left(total, running))))
    return lines


def _time_left(total: StageLine, running: list[StageLine]) -> float | None:
    """All together take as long as the rows of all, and no less than any that runs."""
    known = [left for one in (total, *running) if (left := one.seconds_left) is not None]
    return max(known, default=None)


def _cells(line: StageLine, left: float | None) -> list[str]:
    return [
        line.name,
        _amount(line),
        size_text(line.size) if line.size else "",
        _rate(line),
        "" if left is None else f"{_clock(left)} left",
    ]


def _amount(line: StageLine) -> str:
    """Rows, or files where there are no rows; of how many, when that is exactly known."""
    if line.rows or not line.files:
        return f"{line.rows:,} rows"
    of = f" of {line.expected.files:,}" if line.expected.files else ""
    return f"{line.files:,}{of} files"


def _rate(line: StageLine) -> str:
    if not line.seconds:
        return ""
    if line.rows:
        return f"{line.rows / line.seconds:,.0f} rows/s"
    return f"{size_text(line.size / line.seconds)}/s" if line.size else ""


def _clock(seconds: float) -> str:
    """A time as a clock shows it, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
