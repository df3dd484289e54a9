"""What a job of stages would do: the plan that a dry run shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from zcore.console import table
from zcore.errors import Failed, ZopsError
from zcore.frozen import frozen
from zcore.targets import resolve
from zcore.text import describe
from zcore.values import Estimate, Stage

if TYPE_CHECKING:
    from zcore.pipeline import Job
    from zcore.plugins import Plugins
    from zcore.stage_graph import StageGraph

COLUMNS = ("stage", "plugin", "rows", "files", "size", "what it does")
UNKNOWN = "?"
UNITS = ("bytes", "kB", "MB", "GB", "TB")
STEP = 1000


@frozen
class PlannedStage:
    """A stage in its place: the name of its plugin, what it needs, what it expects to write."""

    stage: Stage
    plugin: str
    needs: tuple[str, ...]
    estimate: Estimate

    def as_data(self) -> dict[str, object]:
        """What `--json` shows."""
        return {
            "stage": self.stage.name,
            "plugin": self.plugin,
            "help": self.stage.help,
            "rows": self.estimate.rows,
            "files": self.estimate.files,
            "bytes": self.estimate.size,
            "needs": list(self.needs),
        }


def make_plan(graph: StageGraph, job: Job, plugins: Plugins) -> list[PlannedStage]:
    """The stages in order, with what they expect to write; none of them is run.

    Raises `Failed` naming the stage and its plugin when one cannot estimate.
    """
    return [
        PlannedStage(
            stage,
            plugins.plugin_of(stage) or "zops",
            tuple(sorted(graph.needs[stage.name])),
            _estimate(stage, job, plugins),
        )
        for stage in graph.stages
    ]


def _estimate(stage: Stage, job: Job, plugins: Plugins) -> Estimate:
    if not stage.estimate:
        return Estimate()
    whose = plugins.provider(stage)
    job.may_go_on()
    try:
        with plugins.running(stage, f"estimate of stage {stage.name}") as outcome:
            estimate: Any = resolve(stage.estimate, owner=whose)
            outcome.append(estimate(job.for_stage(stage.name)))
        (found,) = outcome
        if not isinstance(found, Estimate):
            raise TypeError(f"it gave a {type(found).__name__}, not an Estimate")
    except ZopsError:
        raise
    except (Exception, SystemExit) as error:
        raise Failed(
            f"stage {stage.name!r} of {whose} cannot estimate: {describe(error)}",
            code="stage-failed",
        ) from error
    return found


def plan_table(plan: Sequence[PlannedStage]) -> str:
    """The plan as a person reads it, with totals of what is known."""
    lines = [[one.stage.name, one.plugin, *_amounts(one.estimate), one.stage.help] for one in plan]
    return table(COLUMNS, [*lines, ["total", "", *_amounts(_total(plan)), ""]])


def _amounts(estimate: Estimate) -> list[str]:
    numbers = [UNKNOWN if n is None else f"{n:,}" for n in (estimate.rows, estimate.files)]
    return [*numbers, UNKNOWN if estimate.size is None else size_text(estimate.size)]


def _total(plan: Sequence[PlannedStage]) -> Estimate:
    estimates = [one.estimate for one in plan]
    return Estimate(
        _sum(one.rows for one in estimates),
        _sum(one.files for one in estimates),
        _sum(one.size for one in estimates),
    )


def _sum(numbers: Iterable[int | None]) -> int:
    return sum(number for number in numbers if number is not None)


def size_text(size: float) -> str:
    """A number of bytes for people, `1.2 MB`."""
    unit = 0
    while size >= STEP and unit < len(UNITS) - 1:
        size /= STEP
        unit += 1
    return f"{size:,.{min(unit, 1)}f} {UNITS[unit]}"
