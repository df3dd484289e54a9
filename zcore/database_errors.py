"""What a driver raises, in our words."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError

from zcore.errors import Failed, Interrupted, Refused, Unreachable, ZopsError
from zcore.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.database import Database

# What SQLite says (there are no codes in Python 3.11's exceptions for all of them), and what it
# means for whoever reads it.
SQLITE_MESSAGES = (
    (
        "readonly database",
        Refused,
        "can only be read",
        "check the permissions of the file and folder",
    ),
    ("unable to open", Refused, "cannot be opened", "check the permissions of file and folder"),
    ("not a database", Refused, "is not a database file", "name the right file"),
    ("malformed", Failed, "is damaged", "restore it from a backup"),
    ("disk is full", Failed, "cannot grow: the disk is full", "make room and try again"),
    ("locked", Unreachable, "is being written by another process", "try again when it is done"),
    ("disk I/O", Failed, "cannot be read or written (disk error)", "check the disk"),
)


# How both databases say that they have no such table or column.
OTHER_SCHEMA_CODES = frozenset({"42P01", "42703"})
IN_VECTOR = " in tsvector: "  # which PostgreSQL says under the code of wrong SQL
OTHER_SCHEMA = re.compile(r"no such (table|column)|has no column named")

NO_ROOM = "no-room"  # the code of errors that are the disk's, and of nothing that was written


# PostgreSQL's codes whose detail is the row, with the keys and hashes of passwords in it: a NULL
# where none may be, and a check that says no.
WITH_WHOLE_ROW = frozenset({"23502", "23514"})

READ_ONLY = "read-only"
"""The code of the `Refused` that says that we may not write to the database."""


@contextmanager
def translated(database: Database) -> Iterator[None]:
    """Turn the driver's exceptions into one of our errors; everything else passes."""
    before = sys.exception()  # being handled around us: no cause of what happens in here
    try:
        yield
    except DBAPIError as error:
        first = _first_cause(error, before)
        if isinstance(first, ZopsError):  # what went wrong first; then the rollback failed too
            raise first from error
        raise explain(database, first) from error


def _first_cause(error: DBAPIError, before: BaseException | None) -> DBAPIError | ZopsError:
    """The first of our or the driver's errors, after `before`, that led to this one."""
    found: DBAPIError | ZopsError = error
    link: BaseException | None = error
    while link is not None and link is not before:
        if isinstance(link, (DBAPIError, ZopsError)):
            found = link
        link = link.__context__
    return found


def explain(database: Database, error: DBAPIError) -> ZopsError:
    """The error that says what `error` means for the user."""
    if database.cancelled:
        return Interrupted("stopped by a signal")
    if database.dialect == "sqlite":
        return _explain_sqlite(database, error)
    return _explain_postgres(database, error)


def _explain_sqlite(database: Database, error: DBAPIError) -> ZopsError:
    text = str(error.orig)
    path = database.url.database
    for part, kind, meaning, hint in SQLITE_MESSAGES:
        if part in text:
            code = NO_ROOM if kind is Failed and "disk" in part else None
            code = READ_ONLY if part == "readonly database" else code
            return kind(f"the database file {path} {meaning}", hint=hint, code=code)
    if isinstance(error, IntegrityError):
        return Failed(f"the database refused a row: {text}", code="integrity")
    if OTHER_SCHEMA.search(text):
        return _other_schema(text)
    return Failed(f"the database file {path}: {text}")


def _explain_postgres(database: Database, error: DBAPIError) -> ZopsError:
    text = _first_line(str(error.orig))
    code = getattr(error.orig, "pgcode", None) or ""
    if not code and 'database "' in text and "does not exist" in text:
        return Refused(
            f"there is no database {database.url.database!r} on {_place(database)}",
            code="no-database",
            hint="create it with createdb, then 'zops db init'; or name the right database",
        )
    if not code or error.connection_invalidated:
        return Unreachable(f"the database server at {_place(database)}: {text}")
    if code.startswith("23"):
        return Failed(f"the database refused a row: {text}{_detail(error)}", code="integrity")
    if code.startswith(("22", "54")) or IN_VECTOR in text:  # of another form; too large
        return Failed(f"the database cannot take a value: {text}{_detail(error)}", code="value")
    if code in OTHER_SCHEMA_CODES:
        return _other_schema(text)
    if code in ("42501", "25006"):  # no privilege; read-only transaction
        return Refused(
            f"the database does not let us: {text}", hint="use a role that may", code=READ_ONLY
        )
    if code.startswith("53"):
        return Failed(f"the database server lacks resources: {text}")
    if code.startswith("57"):
        return Unreachable(f"the database server at {_place(database)} ended our work: {text}")
    return Failed(f"the database said {code}: {text}{_detail(error)}")


def _other_schema(text: str) -> Refused:
    """What to raise for a table or column that is not there; `text` names it."""
    from zcore.schema import SERVER_VERSION

    return Refused(
        f"the tables of the database are not those of Zulip {SERVER_VERSION}: {text}",
        code="schema",
        hint="'zops db check' shows everything that differs; when nothing does, a plugin is wrong",
    )


def _place(database: Database) -> str:
    url = database.url
    query_host = url.query.get("host")
    host = url.host or (query_host if isinstance(query_host, str) else "") or "the local socket"
    return f"{host}:{url.port}" if url.port else host


def _first_line(text: str) -> str:
    line = next((one_line(part) for part in text.splitlines() if part.strip()), "no reason given")
    return re.sub(r"^connection to server .*? failed: ", "", line)


def _detail(error: DBAPIError) -> str:
    """What the server adds: of a refused row the key that is wrong, never the whole row."""
    diagnostics = getattr(error.orig, "diag", None)
    detail = getattr(diagnostics, "message_detail", None)
    if not detail or getattr(error.orig, "pgcode", None) in WITH_WHOLE_ROW:
        return ""
    return f" ({one_line(detail)})"
