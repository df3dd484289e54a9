"""The SQLite file of the embedded broker: made whole, opened, written in short transactions."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from typing import TYPE_CHECKING

from zcore.errors import Failed, Refused, Unreachable, ZopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = 2
LOCK_SECONDS = 30

# `due` is 0 for what is ready and a Unix time for what waits for another attempt; `owner` is the
# consumer that has it in hand.
TABLES = """
CREATE TABLE queues (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    redelivered INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0,
    owner INTEGER,
    first_seen TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ready_events ON events (queue, id) WHERE owner IS NULL AND due = 0;
CREATE INDEX delayed_events ON events (queue, due) WHERE due > 0;
CREATE INDEX held_events ON events (owner, queue) WHERE owner IS NOT NULL;
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body BLOB NOT NULL,
    error TEXT NOT NULL,
    traceback TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    host TEXT NOT NULL,
    worker TEXT NOT NULL,
    time TEXT NOT NULL,
    first_seen TEXT NOT NULL DEFAULT ''
);
CREATE INDEX dead_letters_of_queue ON dead_letters (queue, id);
"""

# What makes a file of the format before this one: `first_seen` is new.
CHANGES = (
    "ALTER TABLE events ADD COLUMN first_seen TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE dead_letters ADD COLUMN first_seen TEXT NOT NULL DEFAULT ''",
)


def open_file(path: Path) -> sqlite3.Connection:
    """Connect to the queue file at `path`, which is made (0600) when it is not there.

    Every commit reaches the disk. Raises `Refused` when the file is not one of ours or may not
    be written.
    """
    with translated(path):
        if not path.exists():
            _make(path)
        # Whoever started a thread may close after it what the thread opened.
        connection = sqlite3.connect(
            path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _update(connection)
            _check_format(connection, path)
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
    return connection


def _make(path: Path) -> None:
    """Build the file under another name, so that nobody ever sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(TABLES)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        finally:
            connection.close()
        with contextlib.suppress(FileExistsError):  # another process was faster; theirs is as good
            os.link(draft, path)
    finally:
        draft.unlink()


def _update(connection: sqlite3.Connection) -> None:
    """Bring a file of the format before this one to this one."""
    if _format(connection) != FORMAT - 1:
        return
    with transaction(connection):
        if _format(connection) == FORMAT - 1:  # nobody else did so meanwhile
            for statement in CHANGES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {FORMAT}")


def _format(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    if _format(connection) != FORMAT:
        raise Refused(
            f"{path} is not a queue file of this version of zops",
            hint="move it away, or use the version of zops that made it",
        )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction, with the write lock from the start."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends the transaction by itself
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise into our errors."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(path, error) from error
    except OSError as error:
        raise Refused(
            f"the queue file {path}: {error.strerror}",
            hint="check the permissions of the file and its folder",
        ) from error


def _explain(path: Path, error: sqlite3.Error) -> ZopsError:
    text = str(error)
    if "locked" in text:
        return Unreachable(
            f"the queue file {path} is being written by another process",
            hint="try again when it is done",
        )
    if "readonly" in text or "unable to open" in text:
        return Refused(
            f"the queue file {path} cannot be written",
            hint="check the permissions of the file and its folder",
        )
    if "not a database" in text:
        return Refused(f"{path} is not a queue file", hint="move it away")
    return Failed(f"the queue file {path}: {text}", hint="check the disk")
