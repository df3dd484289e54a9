"""How long `zops create-user --from` takes for many users: python -m bench.bulk_users

Creates 10,000 users without passwords from a CSV file, and four times as many, in an organization
of its own each, on SQLite and on PostgreSQL, each in a process of its own. The server's host is
known, so the rows of welcome messages and of later mails are written, too. Shows what zops itself
takes of the processor, and what the session of a PostgreSQL of our own does. Exit code 1 when
10,000 take more than 20 s on PostgreSQL, or the larger file 20 % more memory than the smaller.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.running import (
    DIALECTS,
    MOST_GROWTH,
    Place,
    Run,
    fresh_place,
    growth,
    run_zops,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

USERS = 10_000
MOST_SECONDS = 20.0  # for 10,000 on PostgreSQL
HEADER = ("", "users", "seconds", "processor", "of the server", "peak", "")

Runs = list[tuple[Run, float]]
"""Each run with the seconds of the processor that the server took for it."""


def write_people(path: Path, count: int) -> Path:
    """A CSV file with `count` users."""
    lines = (f"person{n}@people.example,Person Number {n}\n" for n in range(count))
    with path.open("w", encoding="utf-8") as file:
        file.write("email,full_name\n")
        file.writelines(lines)
    return path


def measure(place: Place, home: Path, counts: Sequence[int]) -> Runs:
    """The runs of `create-user --from`, one for each of `counts`."""
    home.joinpath("zops.toml").write_text('[server]\nexternal_host = "chat.example"\n')
    common = ("--config", home / "zops.toml")
    runs = []
    for number, count in enumerate(counts):
        people = write_people(home / f"people{number}.csv", count)
        owner = (f"owner{number}@people.example", "Olive Owner")
        words = ("create-realm", "Acme", *owner, "--string-id", f"acme{number}", "--no-password")
        run_zops(*common, *words, home=home, database=place.database)
        before = place.server_seconds()
        words = ("create-user", "-r", f"acme{number}", "--from", str(people), "--no-password")
        run = run_zops(*common, *words, home=home, database=place.database)
        runs.append((run, place.server_seconds() - before))
    return runs


def is_within(dialect: str, runs: Sequence[Run], counts: Sequence[int]) -> bool:
    """Does it keep to what is promised?"""
    allowed = MOST_SECONDS * counts[0] / USERS
    in_time = dialect == "sqlite" or runs[0].seconds <= allowed
    return in_time and growth(runs) <= MOST_GROWTH


def described(dialect: str, runs: Runs, counts: Sequence[int]) -> tuple[bool, list[list[str]]]:
    """Whether it keeps to what is promised, and the lines of the table."""
    within = is_within(dialect, [run for run, _ in runs], counts)
    lines = [
        [
            dialect,
            f"{count:,}",
            f"{run.seconds:.1f} s",
            f"{run.processor_seconds:.1f} s",
            f"{of_server:.1f} s" if of_server else "-",
            f"{run.peak_mb:.1f} MB",
            "ok" if within else "TOO MUCH",
        ]
        for count, (run, of_server) in zip(counts, runs, strict=True)
    ]
    return within, lines


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.bulk_users", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[USERS, 4 * USERS], metavar="N")
    parser.add_argument("--database", choices=DIALECTS, nargs="+", default=DIALECTS)
    words = parser.parse_args()
    lines: list[Sequence[str]] = []
    kept = True
    with tempfile.TemporaryDirectory(prefix="zops-bench-") as folder:
        for dialect in words.database:
            home = Path(folder, dialect)
            home.mkdir()
            with fresh_place(dialect, home) as place:
                runs = measure(place, home, words.users)
            within, of_dialect = described(dialect, runs, words.users)
            kept = kept and within
            lines += of_dialect
    print(table(HEADER, lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
