"""The dead letters in the queue file: looked at, made events again, deleted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from zcore.broker import DeadLetter, Failure
from zops_queue.embedded.file import transaction
from zops_queue.embedded.rows import time_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from zcore.broker import Choice

AT_ONCE = 500


def oldest(
    connection: sqlite3.Connection, queue: str, most: int, after: int = 0
) -> list[DeadLetter]:
    """The oldest dead letters of `queue`, at most `most`, with numbers larger than `after`."""
    rows = connection.execute(
        "SELECT id, body, error, traceback, attempts, host, worker, time, first_seen"
        " FROM dead_letters"
        " WHERE queue = ? AND id > ? ORDER BY id LIMIT ?",
        (queue, after, most),
    )
    return [_dead_letter(queue, row) for row in rows]


def replay(connection: sqlite3.Connection, queue: str, chosen: Choice) -> Sequence[str]:
    """Make events of the dead letters that are `chosen`, and return their ids."""
    return _take(
        connection,
        queue,
        chosen,
        "INSERT INTO events (queue, body) SELECT queue, body FROM dead_letters WHERE id = ?",
        "DELETE FROM dead_letters WHERE id = ?",
    )


def drop(connection: sqlite3.Connection, queue: str, chosen: Choice) -> Sequence[str]:
    """Delete the dead letters that are `chosen`, and return their ids."""
    return _take(connection, queue, chosen, "DELETE FROM dead_letters WHERE id = ?")


def _take(
    connection: sqlite3.Connection, queue: str, chosen: Choice, *statements: str
) -> Sequence[str]:
    """Run `statements` for each dead letter that is `chosen`, in blocks: whole ones or not."""
    taken: list[str] = []
    last = 0
    while True:
        # the lock first: nobody else may take the same letters meanwhile
        with transaction(connection):
            letters = oldest(connection, queue, AT_ONCE, after=last)
            ids = [letter.id for letter in letters if chosen(letter)]
            for statement in statements:
                connection.executemany(statement, [(int(each),) for each in ids])
        taken += ids
        if len(letters) < AT_ONCE:
            return taken
        last = int(letters[-1].id)


def _dead_letter(queue: str, row: sqlite3.Row) -> DeadLetter:
    number, body, error, traceback, attempts, host, worker, time, first_seen = row
    failure = Failure(
        error=error,
        traceback=traceback,
        attempts=attempts,
        host=host,
        worker=worker,
        time=datetime.fromisoformat(time),
        first_seen=time_of(first_seen),
    )
    return DeadLetter(id=str(number), queue=queue, body=body, failure=failure)
