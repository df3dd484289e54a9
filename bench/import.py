"""Import beside raw COPY: python -m bench.import

What it costs PostgreSQL to take in the rows of messages and user messages, into tables with their
indexes and foreign keys, is the least that an import beside others can cost. All kinds are timed
in turns, in one run: beside others, with `--exclusive`, and into a SQLite file.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql

from bench.make_realm import PACKAGED
from bench.running import (
    Run,
    best_of,
    make_export,
    new_database,
    postgres_server,
    run_zops,
    table,
    timed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.testing.postgres import PostgresServer

REALM = "measured"
COPIED = ("zerver_message", "zerver_usermessage")


def keep_rows(url: str, folder: Path) -> None:
    """Put the rows of the two tables into files, and empty the tables, all else left in place."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        # Rows that point at messages stay: the same messages come back.
        cursor.execute("SET session_replication_role = replica")
        for name in COPIED:
            with (folder / f"{name}.copy").open("wb") as file:
                cursor.copy_expert(f"COPY {name} TO STDOUT", file, size=1 << 16)
            for statement in ("DELETE FROM {}", "VACUUM FULL ANALYZE {}"):
                cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


def copy_in(url: str, folder: Path) -> None:
    """`COPY ... FROM STDIN` of the two tables, in one transaction."""
    with closing(psycopg2.connect(url)) as connection:
        cursor = connection.cursor()
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for name in COPIED:
            with (folder / f"{name}.copy").open("rb") as file:
                cursor.copy_expert(f"COPY {name} FROM STDIN", file, size=1 << 16)
        connection.commit()


def raw_run(server: PostgresServer, template: str, folder: Path) -> Run:
    """Take the rows in, in a fresh copy of the database `template`."""
    name = server.create_database(template=template)
    try:
        return timed(lambda: copy_in(server.database_url(name), folder))
    finally:
        server.drop_database(name)


def import_run(server: PostgresServer, home: Path, path: Path, *flags: str) -> Run:
    """One `zops import`, into a database with nothing in it."""
    with new_database(server, home) as url:
        return run_zops("import", REALM, path, *flags, home=home, database=url)


def measure(server: PostgresServer, folder: Path, path: Path, rounds: int) -> dict[str, Run]:
    """The best run of each kind."""
    homes = (folder / f"home{number}" for number in count())
    home = next(homes)
    with new_database(server, home) as url:
        run_zops("import", REALM, path, home=home, database=url)
        keep_rows(url, folder)
        template = url.rpartition("/")[2]
        kinds: dict[str, Callable[[], Run]] = {
            "COPY FROM STDIN, two tables": lambda: raw_run(server, template, folder),
            "import": lambda: import_run(server, next(homes), path),
            "import --exclusive": lambda: import_run(server, next(homes), path, "--exclusive"),
            "import into SQLite": lambda: run_zops("import", REALM, path, home=next(homes)),
        }
        return best_of(kinds, rounds)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.import", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=PACKAGED, help="an export to start from")
    parser.add_argument("--times", type=int, default=10, help="as many messages, so many times")
    parser.add_argument("--export", type=Path, help="this export as it is, instead of a made one")
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory("-zops-bench") as folder:
        path = words.export or make_export(
            Path(folder, "made"), words.source, "--times", str(words.times)
        )
        with postgres_server() as server:
            runs = measure(server, Path(folder), path, words.rounds)
    raw = next(iter(runs.values())).seconds
    rows = [
        [
            kind,
            f"{run.seconds:.2f} s",
            f"{run.processor_seconds:.2f} s",
            f"{run.peak_mb:.0f} MB" if run.peak_mb else "",
            f"{run.seconds / raw:.2f}",
        ]
        for kind, run in runs.items()
    ]
    print(table(("", "clock", "own processor", "peak", "times raw"), rows))


if __name__ == "__main__":
    main()
