"""The plan of an import: what `--dry-run` answers, after the whole export was looked through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Result
from zcore.schema.facts import Form, json_key, references, table_facts
from zcore.stage_plan import make_plan, plan_table
from zops_export.checking import CROSS_REALM
from zops_export.export_index import referenced_tables, table_of_key
from zops_export.versions import versions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from zcore import Context
    from zcore.stage_graph import StageGraph
    from zcore.stage_plan import PlannedStage
    from zops_export.export_source import ExportSource
    from zops_export.first_look import FirstLook
    from zops_export.import_job import ImportJob, ImportOptions

# How long the rows of an import take, as so many times the thorough look of a dry run at them.
# Measured with 100,000 messages and 2,000,000 user messages, on two cores that did nothing else,
# PostgreSQL on the same machine: a look took 3.8 s, the imports 16, 42 and 12 s, some 2 s of them
# for files. On busy cores PostgreSQL took longer, up to 18 times. What a disk or a network adds
# to the files is a guess.
TIMES_THE_LOOK = {"sqlite": 3.6, "postgresql": 10.6}
TIMES_THE_LOOK_ALONE = 2.7  # with --exclusive
BYTES_A_SECOND, SECONDS_A_FILE = 50e6, 0.005
LONGEST_LIST = 8
FIRST_ROWS, OUR_PLUGIN = "realm-rows", "export"


def plan_of(job: ImportJob, graph: StageGraph) -> Result:
    """What would be imported, and how: nothing is written."""
    looked = job.looked
    plan = make_plan(graph, job, job.context.plugins)
    seconds = _seconds(job)
    data = {
        **facts_of(job.context, job.options, job.source, looked),
        "plan": [stage.as_data() for stage in plan],
        "may_change_rows": [one.stage.name for one in _first_of_others(plan)],
        "estimated_seconds": round(seconds, 1),
    }
    lines = (
        f"{_summary(job)}, in about {seconds:,.0f} s",
        versions_of(job.context, job.source).describe(),
        f"\n{plan_table(plan)}\n",
        *_lines(job),
        *_lines_of_others(plan),
        "These are estimates, made by looking; nothing was written.",
    )
    staff = [] if job.options.like_server else looked.staff
    findings = (*looked.findings(), *looked.lost_files(), *staff, *looked.differences)
    return Result(data, "\n".join(lines), findings)


def facts_of(
    context: Context, options: ImportOptions, source: ExportSource, looked: FirstLook
) -> dict[str, object]:
    """What the look at an export has found out, whether it can be imported or not."""
    rows = dict(sorted(looked.index.counts.items()))
    notes = looked.notes
    return {
        "dry_run": True,
        "string_id": options.subdomain,
        "versions": versions_of(context, source).as_data(),
        "rows": rows,
        "files": len(looked.index.records),
        "tables": [_table(key, count) for key, count in rows.items()],
        "adapted": dict(sorted(looked.adapted.items())),
        "defaulted": dict(sorted(notes.defaults.items())),
        "mended": [
            {"message": one.message, "where": one.file, "row": one.row} for one in notes.mended
        ],
        "soft_references": dict(sorted(notes.soft.items())),
    }


def _summary(job: ImportJob) -> str:
    index = job.index
    return (
        f"would import {index.realm.get('name')!r} as {job.options.subdomain!r}:"
        f" {sum(index.counts.values()):,} rows and {len(index.records):,} files"
    )


def _table(key: str, count: int) -> dict[str, object]:
    table = table_of_key().get(key)
    return {
        "table": key,
        "rows": count,
        "ids": _ids(key, table),
        "rewritten": [] if table is None else list(_rewritten(table)),
    }


def _ids(key: str, table: sa.Table | None) -> str:
    """What becomes of the ids of its rows."""
    if table is None or not table_facts(table).imported:
        return "skipped"
    if key in (CROSS_REALM, "zerver_client"):
        return "found here"  # the server's own bots and clients
    return "renumbered" if table.name in referenced_tables() else "new"


def _rewritten(table: sa.Table) -> Iterator[str]:
    """The keys of rows in which ids stand inside of something else."""
    for column in table.columns:
        if any(one.form is not Form.NUMBER for one in references(column)):
            yield json_key(column)


def _seconds(job: ImportJob) -> float:
    """A guess, from how quickly this machine reads the rows."""
    url = job.context.settings.database_url
    times = TIMES_THE_LOOK["sqlite" if url.startswith("sqlite") else "postgresql"]
    if job.options.exclusive:
        times = TIMES_THE_LOOK_ALONE
    sizes = job.source.sizes
    files = [sizes[one.name] for one in job.index.records if one.name in sizes]
    return job.looked.seconds * times + sum(files) / BYTES_A_SECOND + len(files) * SECONDS_A_FILE


def _lines(job: ImportJob) -> Iterator[str]:
    """What happens to rows on the way, a line for each kind of thing."""
    looked, index = job.looked, job.index
    skipped = {key: count for key, count in index.counts.items() if _is_skipped(key) and count}
    said = {
        "adapted from another version": looked.adapted,
        "with the server's default": looked.notes.defaults,
        "passed over": skipped,
        "with a reference to nothing, which is normal": looked.notes.soft,
    }
    for what, counts in said.items():
        if counts:
            yield f"rows {what}: {_listed(counts)}"
    if not index.system_groups:
        yield "the system groups, and who is in them, are made as for a new organization"


def _first_of_others(plan: Sequence[PlannedStage]) -> Iterator[PlannedStage]:
    """The stages of other plugins that can change rows: those before the rows."""
    for one in plan:
        if one.stage.name == FIRST_ROWS:
            return
        if one.plugin != OUR_PLUGIN:
            yield one


def _lines_of_others(plan: Sequence[PlannedStage]) -> Iterator[str]:
    """What only these stages know: they are not run when nothing is to be written."""
    for one in _first_of_others(plan):
        yield (
            f"stage {one.stage.name!r} of {one.plugin} may change, leave out or refuse rows:"
            f" {one.stage.help or 'it does not say which'}"
        )


def _is_skipped(key: str) -> bool:
    return _ids(key, table_of_key().get(key)) == "skipped"


def _listed(counts: Mapping[str, int]) -> str:
    shown = [f"{place} ({count:,})" for place, count in sorted(counts.items())[:LONGEST_LIST]]
    more = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
