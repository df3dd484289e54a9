"""Numbers given out in a SQLite file that are in no row yet, and must not be given out again.

A sequence of PostgreSQL never gives a number twice. SQLite has none: the next number is the highest
of the table's rows and one more, and what an unfinished job has reserved, and named files by, would
be given to the next who asks.
"""

from __future__ import annotations

import sqlalchemy as sa

from zcore.own_tables import own_table

KEPT = own_table(
    "sqlite",
    "numbers",
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("highest", sa.BigInteger, nullable=False),
)
IS_MADE = sa.text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name")


def highest_kept(connection: sa.Connection, table: sa.Table) -> int:
    """The highest number of `table` that is kept; 0 when none is."""
    if not connection.scalar(IS_MADE, {"name": KEPT.name}):
        return 0
    chosen = sa.select(KEPT.c.highest).where(KEPT.c.table_name == table.name)
    return connection.scalar(chosen) or 0


def keep(connection: sa.Connection, table: sa.Table, number: int) -> None:
    """Give out no number of `table` up to this one. The table of these has to be made before."""
    highest = max(number, highest_kept(connection, table))
    connection.execute(KEPT.delete().where(KEPT.c.table_name == table.name))
    connection.execute(KEPT.insert().values(table_name=table.name, highest=highest))


def forget(connection: sa.Connection) -> None:
    """Whatever was kept is in rows by now, or nowhere."""
    connection.execute(KEPT.delete())
