"""Stages: the order of a long job, running it side by side, and its journal.

Stages of several plugins form one graph. The order is the same on every machine: what may run is
taken in order of names. Independent stages run side by side in threads; the first failure stops
the job, lets the stages in hand come to their end, and names the stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from zcore.errors import Failed, Refused, ZopsError
from zcore.targets import resolve

if TYPE_CHECKING:
    from zcore.values import Stage

Job = TypeVar("Job", contravariant=True)
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage did: its counts (rows, files, bytes, ...) and how long it took."""

    name: str
    seconds: float
    counts: Counts = field(default_factory=dict)


class Journal(Protocol):
    """Where a job writes down how far it came."""

    def begun(self, stage: str) -> None:
        """The stage is about to run."""
        ...

    def done(self, report: StageReport) -> None:
        """The stage came to its end."""
        ...

    def failed(self, stage: str, reason: str) -> None:
        """The stage did not come to its end."""
        ...


class MemoryJournal:
    """A journal for jobs that are over in one go: it keeps the reports."""

    def __init__(self) -> None:
        self.reports: list[StageReport] = []
        self.running: set[str] = set()
        self.failures: dict[str, str] = {}

    def begun(self, stage: str) -> None:
        """See `Journal.begun`."""
        self.running.add(stage)

    def done(self, report: StageReport) -> None:
        """See `Journal.done`."""
        self.running.discard(report.name)
        self.reports.append(report)

    def failed(self, stage: str, reason: str) -> None:
        """See `Journal.failed`."""
        self.running.discard(stage)
        self.failures[stage] = reason


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """The stages in an order that keeps every `needs`, `before` and `after`.

    A stage that replaces another has its place: what the other needs, is before and after, and
    whoever names the other. Raises `Refused` for two stages of one name, two that replace the
    same one, a needed or replaced stage that is not there, and a circle.
    """
    chosen = _by_name(stages)
    predecessors = _predecessors(chosen)
    ordered: list[Stage] = []
    waiting = dict(sorted(predecessors.items()))
    while waiting:
        ready = next((name for name, first in waiting.items() if not first & waiting.keys()), None)
        if ready is None:
            circle = ", ".join(waiting)
            raise Refused(f"the stages {circle} wait for each other", code="stage-circle")
        ordered.append(chosen[ready])
        del waiting[ready]
    return ordered


def _by_name(stages: Iterable[Stage]) -> dict[str, Stage]:
    """The stages that take part, by name, with every replaced name put right."""
    everything = list(stages)
    plain = _distinct(stage for stage in everything if stage.replaces is None)
    stand_ins = _stand_ins(everything, plain)
    staying = (stage for name, stage in plain.items() if name not in stand_ins)
    return _distinct(
        _resolved(stage, plain, stand_ins) for stage in (*staying, *stand_ins.values())
    )


def _distinct(stages: Iterable[Stage]) -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    for stage in stages:
        if stage.name in found:
            raise Refused(f"two stages are called {stage.name!r}", code="stage-name")
        found[stage.name] = stage
    return found


def _stand_ins(everything: Iterable[Stage], plain: Mapping[str, Stage]) -> dict[str, Stage]:
    """For each replaced name, the stage that stands in."""
    found: dict[str, Stage] = {}
    for stage in everything:
        replaced = stage.replaces
        if replaced is None:
            continue
        if replaced not in plain:
            raise Refused(
                f"stage {stage.name!r} replaces {replaced!r}, which is not there",
                code="stage-unknown",
            )
        if replaced in found:
            both = " and ".join(sorted((repr(found[replaced].name), repr(stage.name))))
            raise Refused(f"stages {both} both replace {replaced!r}", code="stage-name")
        found[replaced] = stage
    return found


def _resolved(stage: Stage, plain: Mapping[str, Stage], stand_ins: Mapping[str, Stage]) -> Stage:
    """`stage` with the place of what it replaces, and the names of those that stand in."""

    def present(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(stand_ins[name].name if name in stand_ins else name for name in names)

    old = plain[stage.replaces] if stage.replaces is not None else None
    return replace(
        stage,
        needs=present(stage.needs + (old.needs if old else ())),
        before=present(stage.before + (old.before if old else ())),
        after=present(stage.after + (old.after if old else ())),
        replaces=None,
    )


def _predecessors(chosen: Mapping[str, Stage]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {name: set(stage.needs) for name, stage in chosen.items()}
    for name, stage in chosen.items():
        if missing := set(stage.needs) - chosen.keys():
            raise Refused(
                f"stage {name!r} needs {', '.join(sorted(missing))}, which is not there",
                code="stage-unknown",
            )
        found[name] |= set(stage.after) & chosen.keys()
        for later in set(stage.before) & chosen.keys():
            found[later].add(name)
    return found


def run(
    stages: Sequence[Stage],
    job: Job,
    journal: Journal,
    *,
    threads: int = 1,
    may_go_on: Callable[[], None] = lambda: None,
) -> None:
    """Run `stages` on `job`, up to `threads` side by side.

    `may_go_on` is called between stages and raises to stop the job. Whatever a stage raises ends
    the job after the stages in hand; `ZopsError` passes as it is, anything else becomes `Failed`
    naming the stage, with the cause attached.
    """
    ordered = in_order(stages)
    if threads <= 1:
        for stage in ordered:
            may_go_on()
            _run_one(stage, job, journal)
        return
    _run_side_by_side(ordered, job, journal, threads, may_go_on)


def _run_side_by_side(
    ordered: Sequence[Stage],
    job: Job,
    journal: Journal,
    threads: int,
    may_go_on: Callable[[], None],
) -> None:
    waiting = {stage.name: stage for stage in ordered}
    predecessors = _predecessors(waiting)
    running: dict[Future[None], str] = {}
    unfinished = set(waiting)
    with ThreadPoolExecutor(threads, thread_name_prefix="zops-stage") as pool:
        while unfinished:
            may_go_on()
            ready = [name for name in waiting if not predecessors[name] & unfinished]
            for name in ready[: threads - len(running)]:
                running[pool.submit(_run_one, waiting.pop(name), job, journal)] = name
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                unfinished.discard(running.pop(future))
                future.result()


def _run_one(stage: Stage, job: Job, journal: Journal) -> None:
    journal.begun(stage.name)
    started = time.monotonic()
    try:
        work = resolve(stage.target)
        if not callable(work):
            raise Failed(f"stage {stage.name!r}: {stage.target} cannot be called")
        counts = work(job) or {}
    except ZopsError as error:
        journal.failed(stage.name, error.message)
        raise
    except Exception as error:
        journal.failed(stage.name, repr(error))
        if _of_the_database(error):
            raise  # whoever holds the transaction knows what it means
        raise Failed(f"stage {stage.name!r} failed: {type(error).__name__}: {error}") from error
    journal.done(StageReport(stage.name, time.monotonic() - started, counts))


def _of_the_database(error: Exception) -> bool:
    from sqlalchemy.exc import DBAPIError

    return isinstance(error, DBAPIError)
