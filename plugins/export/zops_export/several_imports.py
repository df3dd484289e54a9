"""Several organizations in one call: each whole or not at all.

All of them are looked at before the first is written, and when one is refused then, none is. After
that each has its own transaction, in the order in which they were asked for. When one fails, the
next are imported all the same, unless what went wrong would hit them, too.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from zcore import (
    Context,
    Failed,
    Finding,
    Interrupted,
    Problem,
    Refused,
    Result,
    Unreachable,
    ZopsError,
)
from zcore.database_errors import NO_ROOM
from zops_export.destroying import require_confirmation
from zops_export.import_plan import plan_of
from zops_export.import_writing import write_and_finish
from zops_export.importing import prepared, result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.stage_graph import StageGraph
    from zops_export.import_job import ImportJob, ImportOptions

NOT_BEGUN = "not-begun"


class Prepared(NamedTuple):
    """An import that may begin: what is open for it is closed with `open`."""

    open: ExitStack
    job: ImportJob
    graph: StageGraph


class Outcome(NamedTuple):
    """What became of one of them: one of the two, or neither, when it was not begun."""

    subdomain: str
    result: Result | None = None
    error: ZopsError | None = None

    def as_data(self) -> dict[str, object]:
        """What `--json` shows of it."""
        if self.error is not None:
            shown = {"code": self.error.code, "message": self.error.message}
            return {"string_id": self.subdomain, "state": "failed", "error": shown}
        if self.result is None:
            return {"string_id": self.subdomain, "state": NOT_BEGUN}
        findings = [finding_data(finding) for finding in self.result.findings]
        return {**self.result.data, "state": "imported", "findings": findings}


def import_several(
    context: Context, wanted: Sequence[ImportOptions], *, confirmed: bool = False
) -> Result:
    """Import them one after the other, after a look at all of them.

    What is to be destroyed for all of them goes with the first. Raises `Refused` when one of them
    is refused at that look; nothing was written then. When one fails later, what is raised says in
    its data what became of each.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        ready = _all_prepared(context, wanted, stack)
        if wanted[0].dry_run:
            return _together([plan_of(one.job, one.graph) for one in ready], {"dry_run": True})
        if (destroy := wanted[0].destroy) is not None:
            require_confirmation(context, destroy, confirmed=confirmed)
        for one in ready[1:]:
            one.job.options = replace(one.job.options, destroy=None)
        outcomes = _import_each(context, ready)
    _raise_failures(outcomes)
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    return _together(results, {"seconds": round(time.monotonic() - started, 3)}, outcomes)


def _all_prepared(
    context: Context, wanted: Sequence[ImportOptions], stack: ExitStack
) -> list[Prepared]:
    ready: list[Prepared] = []
    refused: dict[str, ZopsError] = {}
    for options in wanted:
        own = stack.enter_context(ExitStack())
        try:
            job, graph = own.enter_context(prepared(context, options))
        except Refused as error:
            refused[options.subdomain] = error
        else:
            ready.append(Prepared(own, job, graph))
    if refused:
        raise Refused(
            f"{_count(len(refused), len(wanted))} cannot be imported, and none was:"
            f" {_of_each(refused)}",
            code="invalid",
            hint=next((error.hint for error in refused.values() if error.hint), ""),
            problems=_problems(refused),
        )
    return ready


def _import_each(context: Context, ready: Sequence[Prepared]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for one in ready:
        outcomes.append(_import_one(context, one))
        if (error := outcomes[-1].error) is not None and _hits_all(one, error):
            break
    left = ready[len(outcomes) :]
    return outcomes + [Outcome(one.job.options.subdomain) for one in left]


def _import_one(context: Context, one: Prepared) -> Outcome:
    started = time.monotonic()
    subdomain = one.job.options.subdomain
    try:
        context.stop.check()
        write_and_finish(one.job, one.graph)
    except ZopsError as error:
        return Outcome(subdomain, error=error)
    finally:
        one.open.close()
    return Outcome(subdomain, result_of(one.job, time.monotonic() - started))


def _hits_all(one: Prepared, error: ZopsError) -> bool:
    """Would the next ones fail, too? What was to be destroyed for all of them was not."""
    away = isinstance(error, (Interrupted, Unreachable)) or error.code == NO_ROOM
    return away or one.job.options.destroy is not None


def _raise_failures(outcomes: Sequence[Outcome]) -> None:
    """Raise what tells of those that were not imported, if there are any."""
    failed = {one.subdomain: one.error for one in outcomes if one.error is not None}
    if not failed:
        return
    missing = [one for one in outcomes if one.result is None]
    not_begun = len(missing) - len(failed)
    raise _kind(outcomes)(
        f"{_count(len(missing), len(outcomes))} were not imported: {_of_each(failed)}"
        + (f"; {not_begun} not begun" if not_begun else ""),
        code=next(iter(failed.values())).code if len(failed) == 1 else "several",
        hint=next((error.hint for error in failed.values() if error.hint), ""),
        problems=_problems(failed),
        data={"organizations": [one.as_data() for one in outcomes]},
    )


def _kind(outcomes: Sequence[Outcome]) -> type[ZopsError]:
    """The class of the error, which has the exit code: `Refused` only when nothing was written."""
    errors = [one.error for one in outcomes if one.error is not None]
    for kind in (Interrupted, Unreachable):
        if any(isinstance(error, kind) for error in errors):
            return kind
    nothing = not any(one.result for one in outcomes)
    return Refused if nothing and all(isinstance(error, Refused) for error in errors) else Failed


def _count(some: int, of_all: int) -> str:
    return f"{some} of {of_all} organizations"


def _of_each(errors: dict[str, ZopsError]) -> str:
    return "; ".join(f"{name!r}: {error.message}" for name, error in errors.items())


def _problems(errors: dict[str, ZopsError]) -> list[Problem]:
    """A problem for each, or for each of its own."""
    found: list[Problem] = []
    for name, error in errors.items():
        own = error.problems or (Problem(error.code, error.message, error.hint),)
        found += [Problem(one.code, f"{name!r}: {one.message}", one.hint) for one in own]
    return found if len(found) > 1 else []


def _together(
    results: Sequence[Result], more: dict[str, object], outcomes: Sequence[Outcome] = ()
) -> Result:
    organizations = [one.as_data() for one in outcomes] or [dict(one.data) for one in results]
    findings = [finding for result in results for finding in result.findings]
    text = "\n\n".join(result.text for result in results)
    return Result({"organizations": organizations, **more}, text, findings)


def finding_data(finding: Finding) -> dict[str, str]:
    """A finding as JSON has it."""
    return {"code": finding.code, "message": finding.message, "where": finding.where}
