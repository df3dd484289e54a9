"""The part of an import that writes: from its entry in the journal to the commit."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Finding, Refused, ZopsError
from zcore.crash_points import crash_point
from zcore.journal import MemoryJournal
from zcore.pipeline import run
from zcore.schema import tables
from zcore.stage_progress import stage_progress
from zops_export.after_import import tell_services
from zops_export.destroying import empty_database, find_doomed
from zops_export.import_journal import (
    Entry,
    ImportJournal,
    NewImport,
    has_realm,
    how_to_go_on,
)
from zops_export.import_places import delete_files, is_free, place_of_files, resumed, settle_files
from zops_export.known_schema import require_known_schema
from zops_export.looking import look_closer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.rows_in import Writer
    from zcore.stage_graph import StageGraph
    from zops_export.destroying import Place
    from zops_export.import_job import ImportJob, ImportOptions

realms = tables["zerver_realm"]
OF_ROWS = ("integrity", "value")
"""The codes of what a database says to rows and values that it cannot take."""
NOT_FOR_LATER = ("dry_run",)


def write_and_finish(job: ImportJob, graph: StageGraph, earlier: Entry | None = None) -> None:
    """Write all of it, and tell everybody.

    `earlier` is what the journal knows of a run of this import that was not finished.
    """
    entry = earlier or written_down(job)
    write(job, graph, entry, again=earlier is not None)
    tell_services(job.context, job.realm_id, job.written)
    job.findings.extend(finish(job.context, entry, job.destroyed))


def written_down(job: ImportJob) -> Entry:
    """The entry of an import that is about to begin: see `ImportJournal.begin`."""
    context, options, files = job.context, job.options, job.context.files
    new = NewImport(
        subdomain=options.subdomain,
        options=for_later(options),
        files=place_of_files(context.settings),
        process=this_process(),
        users=len(job.index.ids["zerver_userprofile"]),
        destroyed=_places_destroyed(context, options),
    )
    entry = ImportJournal(context.database).begin(new, lambda number: is_free(files, number))
    crash_point("import-begun")
    return entry


def _places_destroyed(context: Context, options: ImportOptions) -> Sequence[Place] | None:
    if options.destroy is None:
        return None
    with context.database.read() as connection:
        return find_doomed(connection, options.destroy).places


def this_process() -> str:
    """What a person may look for."""
    return f"process {os.getpid()} on {os.uname().nodename}"


def for_later(options: ImportOptions) -> dict[str, object]:
    """What a second run has to know of them, as JSON has it."""
    found = {one.name: getattr(options, one.name) for one in fields(options)}
    here = {name: str(value.absolute()) for name, value in found.items() if isinstance(value, Path)}
    return {name: value for name, value in (found | here).items() if name not in NOT_FOR_LATER}


def write(job: ImportJob, graph: StageGraph, entry: Entry, *, again: bool = False) -> None:
    """Run the stages in one transaction; when it does not come to its commit, take all back.

    `again`: an earlier run of this import may have stored files.
    """
    context, job.entry = job.context, entry
    try:
        _run_stages(job, graph, entry, again=again)
    except BaseException as error:
        if not _came_through(job, entry):
            if isinstance(error, ZopsError) and error.code in OF_ROWS:
                _explain(job, entry)
            raise
        context.console.warn(f"though all of it was written: {error}")
    crash_point("import-committed")


def _run_stages(job: ImportJob, graph: StageGraph, entry: Entry, *, again: bool) -> None:
    context = job.context
    journal, label = ImportJournal(context.database), f"importing {entry.subdomain!r}"
    stores = resumed(context.files, entry.realm_id) if again else nullcontext(context.files)
    stopping = context.stop.calling(context.database.cancel)
    with stopping, context.database.writer() as writer, ThreadPoolExecutor(1) as beside:
        with _alone(job, writer):
            journal.claim(writer.connection, entry)
            if job.options.destroy is not None:
                check = context.stop.check
                job.destroyed = empty_database(writer.connection, job.options.destroy, check)
                crash_point("import-emptied")
            job.findings.extend(require_known_schema(writer.connection))
            with stores as files, stage_progress(context.console, label, graph) as job.progress:
                job.begin(writer, files)
                run(graph, job, MemoryJournal(), context.plugins, job.progress)
            # The disk is busy with files while the database makes its indexes again.
            settled = beside.submit(settle_files, context.files, entry.realm_id)
        settled.result()
        job.may_go_on()
        journal.complete(writer.connection, entry)
        crash_point("import-before-commit")


def _alone(job: ImportJob, writer: Writer) -> AbstractContextManager[None]:
    """The big tables for this import alone, when that is asked for."""
    from zops_export.import_exclusive import tables_for_us_alone

    if job.options.exclusive:
        return tables_for_us_alone(job.context.database, writer.connection)
    return nullcontext()


def _came_through(job: ImportJob, entry: Entry) -> bool:
    """Take back an import that failed. True when it has not: only the answer was lost.

    What cannot be taken back now stays in the journal, and is said.
    """
    journal = ImportJournal(job.context.database)
    try:
        with journal.held(entry.subdomain) as (connection, found):
            if found is None or found.owner != entry.owner:
                return False
            if found.is_complete:
                return True
            job.take_back()
            if not has_realm(connection, entry.realm_id):  # or the files are another's
                delete_files(job.context.files, entry.realm_id)
            crash_point("import-files-deleted")
            journal.forget(connection, found)
    except ZopsError as error:
        job.context.console.warn(
            f"the import into {entry.subdomain!r} is left unfinished: {error.message};"
            f" {how_to_go_on(entry.subdomain)}"
        )
    return False


def _explain(job: ImportJob, entry: Entry) -> None:
    """Raise `Refused` if it can be found why the database did not take a row or value."""
    if job.options.destroy is None:  # else who had the subdomain has it again
        _require_free(job.context, entry)
    look_closer(job.context, job.source)


def _require_free(context: Context, entry: Entry) -> None:
    """Raise `Refused` when somebody has got the subdomain, of which a database says the same."""
    with context.database.read() as connection:
        query = sa.select(realms.c.id).where(realms.c.string_id == entry.subdomain)
        if connection.execute(query).first() is None:
            return
    raise Refused(
        f"subdomain {entry.subdomain!r} is taken: another organization has got it meanwhile",
        code="subdomain-taken",
        hint="choose another one",
    )


def finish(context: Context, entry: Entry, destroyed: Sequence[Change] = ()) -> list[Finding]:
    """Tell everybody of an import that is complete, delete what it destroyed, and forget it.

    What could not be deleted is told.
    """
    findings = list(_files_destroyed(context, entry))
    for change in destroyed:
        context.committed(change)
    context.committed(Change("realm.imported", entry.realm_id, entry.subdomain))
    crash_point("import-told")
    journal = ImportJournal(context.database)
    try:
        with journal.held(entry.subdomain) as (connection, found):
            if found is not None and found.owner == entry.owner:
                journal.forget(connection, found)
    except ZopsError as error:
        context.console.warn(f"the import is complete, which could not be noted: {error.message}")
    return findings


def _files_destroyed(context: Context, entry: Entry) -> Iterator[Finding]:
    """Delete the files of organizations that are not there any more."""
    for name, prefix in entry.places_destroyed:
        store = context.files.uploads if name == "uploads" else context.files.avatars
        try:
            store.delete(prefix)
        except ZopsError as error:
            message = f"files of an organization that was destroyed are left: {error.message}"
            yield Finding("files-left", message, prefix, "delete them by hand")
