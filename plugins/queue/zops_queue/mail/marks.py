"""What is known of each letter, kept in the database, so that none is sent twice.

A letter is marked as begun before the mail server can have taken it, and as sent when it has. Who
gets an event that another process may have had in hand looks for the mark first.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa

from zcore.errors import Failed, Refused, Unreachable
from zcore.own_tables import make, own_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.database import Database

State = Literal["begun", "sent"]

KEPT = timedelta(days=30)  # longer than any broker keeps an event in hand


class Marks:
    """The marks in one database, in a table `name`. Every change is committed when a call returns.

    A database that does not let us write raises `Unreachable`, as one that is not there: no letter
    is to blame for either.
    """

    def __init__(self, database: Database, name: str = "mails") -> None:
        self._database = database
        self._name = name

    def state(self, key: str) -> State | None:
        """What is known of a letter."""
        table = self._table
        with _letters_blameless(), self._database.read() as connection:
            chosen = sa.select(table.c.state).where(table.c.key == key)
            state: State | None = connection.scalar(chosen)
        return state

    def put(self, key: str, state: State, now: datetime) -> None:
        """From now on, `state` is what is known of a letter."""
        table = self._table
        row = {"key": key, "state": state, "time": int(now.timestamp())}
        with _letters_blameless(), self._database.begin() as connection:
            connection.execute(table.delete().where(table.c.key == key))
            connection.execute(table.insert().values(row))

    def remove(self, key: str) -> None:
        """The mail server has not taken the letter: nothing is known of it."""
        table = self._table
        with _letters_blameless(), self._database.begin() as connection:
            connection.execute(table.delete().where(table.c.key == key))

    def forget_old(self, now: datetime) -> None:
        """Remove what no event can ask for any more."""
        table = self._table
        before = int((now - KEPT).timestamp())
        with _letters_blameless(), self._database.begin() as connection:
            connection.execute(table.delete().where(table.c.time < before))

    @cached_property
    def _table(self) -> sa.Table:
        """The table, made when it is not there: outside of any transaction."""
        table = own_table(
            self._database.dialect,
            self._name,
            sa.Column("key", sa.String(64), primary_key=True),
            sa.Column("state", sa.String(8), nullable=False),
            sa.Column("time", sa.BigInteger, nullable=False),
        )
        with _letters_blameless():
            make(self._database, table)
        return table


@contextmanager
def _letters_blameless() -> Iterator[None]:
    """What the database has against us is no letter's fault: it has to wait, not to be given up."""
    try:
        yield
    except (Failed, Refused) as error:
        raise Unreachable(error.message, hint=error.hint) from error
