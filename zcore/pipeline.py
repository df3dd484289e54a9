"""Running the stages of a long job: side by side where they are independent, with a journal.

The first failure stops the job, lets the stages in hand come to their end, and names the stage
and its plugin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Protocol

from zcore.crash_points import crash_point
from zcore.errors import Failed, ZopsError
from zcore.frozen import frozen
from zcore.journal import Counts, Journal, StageReport
from zcore.targets import resolve
from zcore.text import describe

if TYPE_CHECKING:
    from zcore.plugins import Plugins
    from zcore.stage_graph import StageGraph
    from zcore.stage_progress import StageProgress
    from zcore.values import Stage


class Job(Protocol):
    """What stages work on."""

    def for_stage(self, stage: str) -> object:
        """What the target of the stage of that name is called with."""
        ...

    def may_go_on(self) -> None:
        """Raise to stop the job; called between stages."""
        ...


def run(
    graph: StageGraph,
    job: Job,
    journal: Journal,
    plugins: Plugins,
    progress: StageProgress,
    *,
    threads: int = 1,
) -> None:
    """Run the stages on `job`, up to `threads` side by side.

    Whatever a stage raises ends the job after the stages in hand; `ZopsError` and errors of the
    database pass as they are, anything else becomes `Failed` naming the stage and its plugin,
    with the cause attached.
    """
    running = _Run(job, journal, plugins, progress)
    if threads > 1:
        _run_side_by_side(graph, running, threads)
        return
    for stage in graph.stages:
        job.may_go_on()
        running.stage(stage)


def _run_side_by_side(graph: StageGraph, running: _Run, threads: int) -> None:
    waiting = {stage.name: stage for stage in graph.stages}
    in_hand: dict[Future[None], str] = {}
    unfinished = set(waiting)
    with ThreadPoolExecutor(threads, thread_name_prefix="zops-stage") as pool:
        while unfinished:
            running.job.may_go_on()
            ready = [name for name in waiting if not graph.earlier[name] & unfinished]
            for name in ready[: threads - len(in_hand)]:
                in_hand[pool.submit(running.stage, waiting.pop(name))] = name
            finished, _ = wait(in_hand, return_when=FIRST_COMPLETED)
            for future in finished:
                unfinished.discard(in_hand.pop(future))
                future.result()


@frozen
class _Run:
    """One run of a job."""

    job: Job
    journal: Journal
    plugins: Plugins
    progress: StageProgress

    def stage(self, stage: Stage) -> None:
        """Run one stage, unless an earlier run did and its result may be kept."""
        report = self.journal.kept(stage.name) if stage.keeps else None
        if report is None:
            self.journal.begun(stage.name)
            self.progress.begun(stage.name)
            report = self._timed(stage)
        self.journal.done(report)
        self.progress.done(stage.name)
        crash_point(f"stage-done:{stage.name}")

    def _timed(self, stage: Stage) -> StageReport:
        started = time.monotonic()
        try:
            with self.plugins.running(stage, f"stage {stage.name}") as outcome:
                counts = self._work(stage)
                outcome.append(dict(counts))
        except ZopsError as error:
            self.journal.failed(stage.name, error.message)
            raise
        except (Exception, SystemExit) as error:
            self.journal.failed(stage.name, describe(error))
            if _of_the_database(error):
                raise  # whoever holds the transaction knows what it means
            whose = self.plugins.provider(stage)
            raise Failed(
                f"stage {stage.name!r} of {whose} failed: {describe(error)}", code="stage-failed"
            ) from error
        seconds = time.monotonic() - started
        measured = self.progress.measured(stage.name)
        return StageReport(stage.name, seconds, counts, measured=measured)

    def _work(self, stage: Stage) -> Counts:
        work: Any = resolve(stage.target, owner=self.plugins.provider(stage))
        counts = work(self.job.for_stage(stage.name))
        if counts is None:
            return {}
        if not isinstance(counts, Mapping) or not _all_numbers(counts):
            raise TypeError(f"it gave {counts!r}, not numbers by name")
        return counts


def _all_numbers(counts: Mapping[object, object]) -> bool:
    return all(isinstance(name, str) and type(count) is int for name, count in counts.items())


def _of_the_database(error: BaseException) -> bool:
    from sqlalchemy.exc import DBAPIError

    return isinstance(error, DBAPIError)
