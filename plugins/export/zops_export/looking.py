"""Looking before writing: everything that can stand in the way of an import, said at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Context, ImportSource, Problem, Refused
from zcore.validation import Subjects, find_problems, refuse, validation_of
from zops_export.first_look import FirstLook
from zops_export.import_plan import facts_of
from zops_export.known_schema import require_known_schema
from zops_export.notes import Notes
from zops_export.refusing import refuse_if_problems

if TYPE_CHECKING:
    from zcore import Finding
    from zops_export.export_source import ExportSource
    from zops_export.import_job import ImportOptions

RESERVED_FLAG, ROOM_FLAG = "--allow-reserved-subdomain", "--ignore-free-space"


def looked_through(context: Context, options: ImportOptions, source: ExportSource) -> FirstLook:
    """What is in the export, when it can be imported as `options` say.

    Raises `Refused` with all that is wrong, in files, rows, names and on this server. Names are
    looked at before the export is, unless nothing is to be written anyway.
    """
    names = _problems(context, options, _names(options))
    if not options.dry_run:
        refuse("cannot import the organization", names)
    notes = Notes(mends=not options.strict, strict=options.strict)
    thorough = options.dry_run or options.strict
    looked = FirstLook(source, context.plugins, notes, context.stop.check, thorough=thorough)
    with context.console.progress("looking through the export"):
        looked.look()
        if options.dry_run:
            looked.compare_files()
    if looked.is_known:
        names += _problems(context, options, {"import.source": [_what(options, source, looked)]})
    if options.dry_run:
        names += _of_schema(context, looked)
    if options.strict:
        staff = [] if options.like_server else looked.staff
        found = (*looked.findings(), *looked.lost_files(), *staff)
        names += [_as_problem(one) for one in found]
    known = options.dry_run and looked.is_known
    data = facts_of(context, options, source, looked) if known else None
    refuse_if_problems(source.path, notes, names, data)
    return looked


def look_closer(context: Context, source: ExportSource) -> None:
    """Look for what a database found though the look before it had not, such as rows twice.

    Raises `Refused` with all of it, file and row, if there is something.
    """
    notes = Notes(mends=True)
    with context.console.progress("looking for what the database does not take"):
        FirstLook(source, context.plugins, notes, context.stop.check, thorough=True).look()
    refuse_if_problems(source.path, notes)


def _names(options: ImportOptions) -> Subjects:
    return {
        "realm.subdomain": [options.subdomain],
        "realm.name": [] if options.name is None else [options.name],
    }


def _problems(context: Context, options: ImportOptions, subjects: Subjects) -> list[Problem]:
    flags = {
        RESERVED_FLAG: options.allow_reserved_subdomain,
        ROOM_FLAG: options.ignore_free_space,
    }
    allow = frozenset(flag for flag, given in flags.items() if given)
    validation = validation_of(
        context,
        allow=allow,
        dry_run=options.dry_run,
        with_database=options.destroy is None,  # what is to be destroyed is in nobody's way
    )
    return find_problems(context.plugins, subjects, validation)


def _what(options: ImportOptions, source: ExportSource, looked: FirstLook) -> ImportSource:
    index = looked.index
    files = {record.name for record in index.records} & source.sizes.keys()
    return ImportSource(
        path=str(options.path),
        string_id=options.subdomain,
        realm=index.realm,
        rows=index.counts,
        files=len(index.records),
        system_bots=tuple(str(bot["email"]) for bot in index.bots),
        size=sum(source.sizes[name] for name in files),
        json_size=sum(size for name, size in source.sizes.items() if name.endswith(".json")),
    )


def _of_schema(context: Context, looked: FirstLook) -> list[Problem]:
    """What the database lacks; what it only has besides becomes a finding, as in an import."""
    database = context.existing_database
    if database is None:
        return []
    with database.read() as connection:
        if not sa.inspect(connection).has_table("zerver_realm"):
            return []  # empty: the tables are made
        try:
            looked.differences = require_known_schema(connection)
        except Refused as error:
            return list(error.problems)
    return []


def _as_problem(finding: Finding) -> Problem:
    return Problem(finding.code, finding.message, finding.hint, where=finding.where)
