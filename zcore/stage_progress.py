"""How far a job of stages is: one display for all of them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.console import Console, Progress
    from zcore.stage_graph import StageGraph


class StageProgress:
    """Stages that are done, out of all; beside them what runs, and the rows and files so far."""

    def __init__(self, bar: Progress, label: str) -> None:
        self._bar = bar
        self._label = label
        self._lock = threading.Lock()
        self._running: list[str] = []
        self._rows = 0
        self._files = 0

    def begun(self, stage: str) -> None:
        """The stage runs now."""
        with self._lock:
            self._running.append(stage)
            self._show()

    def done(self, stage: str) -> None:
        """The stage is done."""
        with self._lock:
            if stage in self._running:
                self._running.remove(stage)
            self._bar.advance()
            self._show()

    def advance(self, *, rows: int = 0, files: int = 0) -> None:
        """So many more rows and files are done."""
        with self._lock:
            self._rows += rows
            self._files += files
            self._show()

    def _show(self) -> None:
        parts = [f"{self._label}: {', '.join(self._running)}" if self._running else self._label]
        parts += [f"{self._rows:,} rows"] if self._rows else []
        parts += [f"{self._files:,} files"] if self._files else []
        self._bar.describe(", ".join(parts))


@contextmanager
def stage_progress(console: Console, label: str, graph: StageGraph) -> Iterator[StageProgress]:
    """The display of one job, while inside; `label` says what is done ("exporting 'acme'")."""
    with console.progress(label, total=len(graph.stages)) as bar:
        yield StageProgress(bar, label)
