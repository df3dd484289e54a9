"""Going on with an import that was killed, and taking one back: `--resume` and `--abandon`."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zcore import Context, Finding, Refused, Result
from zcore.crash_points import crash_point
from zops_export.after_import import tell_services
from zops_export.import_job import ImportOptions
from zops_export.import_journal import (
    Entry,
    ImportJournal,
    command_line,
    has_realm,
    no_unfinished,
)
from zops_export.import_places import count_files, delete_files, place_of_files
from zops_export.import_writing import finish, this_process
from zops_export.importing import import_realm
from zops_export.packed_exports import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def resume_import(
    context: Context, subdomain: str, path: Path | str | None, changed: Mapping[str, object]
) -> Result:
    """Finish the import into `subdomain` that was killed, wherever that was.

    It does what that one was asked for, but for what has `changed`, and for a `path` to which the
    export was moved. Raises `Refused` when there is nothing to be finished.
    """
    entry = _require(context, subdomain)
    _require_same_place(context, entry)
    entry = ImportJournal(context.database).take_over(subdomain, this_process())
    if entry.is_complete:
        tell_services(context, entry.realm_id)
        return _was_complete(entry, finish(context, entry))
    moved = {} if path is None else {"path": str(path)}
    asked = {**entry.asked, **changed, **moved}
    return import_realm(context, options_of(asked), entry)


def options_of(asked: Mapping[str, Any]) -> ImportOptions:
    """The options that `zops_export.import_writing.for_later` made this of."""
    known = {field.name for field in fields(ImportOptions)}
    given = {name: value for name, value in asked.items() if name in known}
    destroy = None if given.get("destroy") is None else tuple(given["destroy"])
    return ImportOptions(**(given | {"path": place_of(given["path"]), "destroy": destroy}))


def _was_complete(entry: Entry, findings: Sequence[Finding]) -> Result:
    data = {"realm_id": entry.realm_id, "string_id": entry.subdomain}
    name = f"{entry.subdomain!r} (id {entry.realm_id})"
    return Result(data, f"the import of {name} was complete; that is noted now", findings)


def abandon_import(context: Context, subdomain: str) -> Result:
    """Take back the import into `subdomain` that was killed: its files, as no row of it is there.

    Raises `Refused` when there is none, when somebody works on it, or when it was complete.
    """
    _require_same_place(context, _require(context, subdomain))
    journal, files = ImportJournal(context.database), context.files
    findings: list[Finding] = []
    count = 0
    with journal.held(subdomain) as (connection, entry):
        if entry is None:
            raise no_unfinished(subdomain)
        if entry.is_complete:
            raise _is_there(entry)
        if has_realm(connection, entry.realm_id):
            findings.append(_of_another(entry))
        else:
            count = count_files(files, entry.realm_id)
            delete_files(files, entry.realm_id)
        crash_point("import-files-deleted")
        journal.forget(connection, entry)
    data = {"string_id": subdomain, "realm_id": entry.realm_id, "abandoned": True, "files": count}
    text = (
        f"took back the import into {subdomain!r}: no row was there, and {count:,} files are gone"
    )
    return Result(data, text, tuple(findings))


def _require(context: Context, subdomain: str) -> Entry:
    database = context.existing_database
    entry = None if database is None else ImportJournal(database).find(subdomain)
    if entry is None:
        raise no_unfinished(subdomain)
    return entry


def _require_same_place(context: Context, entry: Entry) -> None:
    here = place_of_files(context.settings)
    if entry.files != here:
        raise Refused(
            f"the files of that import are in {entry.files}, and zops was told of {here}",
            code="other-files",
            hint="let ZOPS_UPLOADS, or [files] in zops.toml, say what it said then",
        )


def _is_there(entry: Entry) -> Refused:
    resume = command_line("import", entry.subdomain, "--resume")
    delete = command_line("realm delete", entry.subdomain)
    return Refused(
        f"the import into {entry.subdomain!r} was complete: the organization is there",
        code="import-complete",
        hint=f"{resume} notes that; {delete} deletes it",
    )


def _of_another(entry: Entry) -> Finding:
    return Finding(
        "number-taken",
        f"another organization has got the number {entry.realm_id}, which was reserved: files that"
        " the import stored are among its own",
        where=str(entry.realm_id),
    )
