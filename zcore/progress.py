"""Progress bars. Imported only when one is shown, because rich takes a while to import."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich.progress
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Bar:
    def __init__(self, bars: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, n: int = 1) -> None:
        self._bars.advance(self._task, n)

    def describe(self, text: str) -> None:
        self._bars.update(self._task, description=text)


@contextmanager
def shown(label: str, total: float | None) -> Iterator[_Bar]:
    """A progress bar on stderr while inside. `total` None: only what is done is counted."""
    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # only stderr is redirected: stdout is the result's, also while a bar is shown
    with rich.progress.Progress(
        *columns, console=console, redirect_stdout=False, transient=True
    ) as bars:
        yield _Bar(bars, bars.add_task(label, total=total))
