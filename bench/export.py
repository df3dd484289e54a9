"""Export beside raw COPY: python -m bench.export

What it costs PostgreSQL to hand over the rows of messages and user messages as they are is the
least that an export can cost. Both are timed in turns, on one server, in one run.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

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

REALM = "measured"
COPIED = ("zerver_message", "zerver_usermessage")


def copy_out(url: str, folder: Path) -> None:
    """`COPY ... TO STDOUT` of the two tables, each into a file."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for name in COPIED:
            with (folder / f"{name}.copy").open("wb") as file:
                cursor.copy_expert(f"COPY {name} TO STDOUT", file, size=1 << 16)


def prepare(url: str) -> None:
    """What a server's autovacuum would have done: statistics, and rows marked as visible."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def export(url: str, home: Path, name: str, threads: int) -> Run:
    """One `zops export` to a path that is free again afterwards."""
    target = home / name
    words = ("export", "--realm", REALM, "--threads", str(threads), "--output", target)
    run = run_zops(*words, home=home, database=url)
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    return run


def measure(url: str, home: Path, rounds: int) -> dict[str, Run]:
    """The best run of each kind."""
    kinds: dict[str, Callable[[], Run]] = {
        "COPY TO STDOUT, two tables": lambda: timed(lambda: copy_out(url, home)),
        "export to a folder, 1 thread": lambda: export(url, home, "out", 1),
        "export to a folder, 2 threads": lambda: export(url, home, "out", 2),
        "export to an archive, 2 threads": lambda: export(url, home, "out.tar.gz", 2),
    }
    return best_of(kinds, rounds)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.export", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=PACKAGED, help="an export to start from")
    parser.add_argument("--times", type=int, default=10, help="as many messages, so many times")
    parser.add_argument("--export", type=Path, help="this export as it is, instead of a made one")
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory("-zops-bench") as folder:
        home = Path(folder)
        path = words.export or make_export(home / "made", words.source, "--times", str(words.times))
        with postgres_server() as server, new_database(server, home) as url:
            run_zops("import", REALM, path, home=home, database=url)
            prepare(url)
            runs = measure(url, home, words.rounds)
    raw = next(iter(runs.values())).seconds
    rows = [
        [kind, f"{run.seconds:.2f} s", f"{run.processor_seconds:.2f} s", f"{run.seconds / raw:.1f}"]
        for kind, run in runs.items()
    ]
    print(table(("", "clock", "own processor", "times raw"), rows))


if __name__ == "__main__":
    main()
