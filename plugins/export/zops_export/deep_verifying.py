"""`zops verify --deep`: does the export import? Tried out in a database that nobody keeps.

The import is the one of `zops import`, into a new SQLite file in a private folder that goes in any
case. Files are read and thrown away. Other plugins are not told of it.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import sqlalchemy as sa

from zcore import Context, Failed, Refused, ZopsError
from zcore.database_errors import NO_ROOM
from zcore.errors import Interrupted, Unreachable
from zcore.files import FileStores, Metadata, StoredFile
from zcore.internal_realm import ensure_internal_realm
from zcore.schema import tables
from zcore.schema.facts import exported_tables, references, table_facts
from zcore.settings import Settings
from zops_export.export_index import table_of_key
from zops_export.import_job import ImportJob, ImportOptions
from zops_export.importing import import_whole
from zops_export.row_conversion import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zops_export.notes import Notes
    from zops_export.survey import Survey

ATTACHMENTS = "zerver_attachment"
SUBDOMAIN = "verified"
BLOCK_BYTES = 1 << 20
# Rows that an import adds or leaves out by its own rules.
NOT_COUNTED = frozenset({"zerver_client", "zerver_realmexport", "analytics_usercount"})
ADDED = {"zerver_realmauditlog": 2}  # that it was imported, and the plan that it has now
HINT = "it was tried in a database of its own, which is gone again"

Counts = dict[str, int]


class _NoStore:
    """A store of files that reads what it is given, and keeps nothing."""

    def open(self, key: str) -> BinaryIO:
        raise Refused(f"{key} was not kept")

    def put(self, key: str, content: BinaryIO, *, metadata: Metadata | None = None) -> int:
        size = 0
        while block := content.read(BLOCK_BYTES):
            size += len(block)
        return size

    def find(self, key: str) -> StoredFile | None:
        return None

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return iter(())

    def delete(self, prefix: str) -> None:
        pass


def try_import(context: Context, path: Path | str, found: Survey, notes: Notes) -> Counts | None:
    """Import the export at `path`, and note what is refused, lost or left out on the way.

    Returns the rows that came in, by table; None when the import was refused.
    """
    with _private_folder() as home, closing(_context(context, home)) as trial:
        return _import(trial, path, found, notes)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that nobody else can read, while inside."""
    try:
        home = Path(tempfile.mkdtemp(prefix="zops-verify-"))
    except OSError as error:
        raise Failed(
            f"cannot make a folder for temporary files: {error.strerror}",
            hint="set TMPDIR to a folder with more room",
        ) from error
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _context(context: Context, home: Path) -> Context:
    """The same plugins and console, with a database and files of their own."""
    environment = {"ZOPS_HOME": str(home), "ZOPS_CONFIG": str(home / "zops.toml")}
    (home / "zops.toml").touch(mode=0o600)
    settings = Settings.load({}, environment, home)
    trial = Context(settings, context.console, context.plugins, context.stop)
    trial.__dict__["files"] = FileStores(_NoStore(), _NoStore(), "a salt that names no file")
    return trial


def _import(trial: Context, path: Path | str, found: Survey, notes: Notes) -> Counts | None:
    options = ImportOptions(SUBDOMAIN, path, allow_reserved_subdomain=True)
    with trial.database.begin() as connection:
        ensure_internal_realm(connection)
        before = _counts(connection)
    notes.file = ""
    try:
        job = import_whole(trial, options)
    except (Interrupted, Unreachable):
        raise
    except ZopsError as error:
        if error.code == NO_ROOM:
            raise
        _note_refusal(error, notes)
        return None
    for finding in job.findings:
        if finding.code not in notes.counts:
            notes.file = finding.where
            notes.problem("import-left-out", f"an import leaves it out: {finding.message}")
    with trial.database.read() as connection:
        _compare(found, job, before, _counts(connection), notes)
    return {table: count for table, count in sorted(job.written.items()) if count}


def _note_refusal(error: ZopsError, notes: Notes) -> None:
    """Note why the import was refused, unless it is known already."""
    known = {problem.message for problem in notes.problems}
    for problem in error.problems:
        if problem.message not in known:
            notes.problem("import-refused", problem.message, problem.hint or HINT)
    if not error.problems and not any(message in error.message for message in known):
        notes.problem("import-refused", error.message, error.hint or HINT)


def _counts(connection: sa.Connection) -> Counts:
    """How many rows each table has that an export carries."""
    counted = [
        sa.select(sa.literal(table.name), sa.func.count()).select_from(table)
        for table in exported_tables(dict(tables))
    ]
    return {name: count for one in counted for name, count in connection.execute(one)}


def _compare(found: Survey, job: ImportJob, before: Counts, after: Counts, notes: Notes) -> None:
    """Every row of the export must have become one of the database, unless a rule left it out."""
    for table, wanted in sorted(_expected(found).items()):
        arrived = after[table] - before[table] - ADDED.get(table, 0)
        left_out = _left_out(job, table)
        if arrived + left_out < wanted:
            what = f"{table}: {wanted:,} rows in the export, and {arrived:,} after an import"
            file = table_facts(tables[table]).file
            notes.file = "" if file is None else file.value
            notes.problem("rows-lost", what, HINT, row=table)


def _expected(found: Survey) -> Counts:
    expected: Counts = {}
    for key, count in found.index.counts.items():
        table = table_of_key().get(key)
        if table is None or key == "zerver_userprofile_crossrealm":
            continue
        if table_facts(table).imported and table.name not in NOT_COUNTED:
            expected[table.name] = expected.get(table.name, 0) + count
    return expected


def _left_out(job: ImportJob, table: str) -> int:
    """Rows that are left out because what they are about was not exported."""
    dropping = [
        column.name
        for column in tables[table].columns
        if any(reference.dangling in LEFT_OUT for reference in references(column))
    ]
    lost = len(job.index.attachments) - len(job.upload_paths) if table == ATTACHMENTS else 0
    return lost + sum(job.notes.soft.get(f"{table}.{name}", 0) for name in dropping)
