"""How long `zops create-user --from` takes for many users: python -m bench.bulk_users

Creates 10,000 users without passwords from a CSV file, and four times as many, in an organization
of its own each, on SQLite and on PostgreSQL, each in a process of its own. The server's host is
known, so the rows of welcome messages and of later mails are written, too. Exit code 1 when 10,000
take more than 20 s on PostgreSQL, or the larger file 20 % more memory than the smaller.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.running import Run, new_database, postgres_server, run_zops, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USERS = 10_000
MOST_SECONDS = 20.0  # for 10,000 on PostgreSQL
MOST_GROWTH = 0.20
DIALECTS = ("sqlite", "postgresql")
HEADER = ("", "users", "seconds", "processor", "peak", "")


def write_people(path: Path, count: int) -> Path:
    """A CSV file with `count` users."""
    lines = (f"person{n}@people.example,Person Number {n}\n" for n in range(count))
    with path.open("w", encoding="utf-8") as file:
        file.write("email,full_name\n")
        file.writelines(lines)
    return path


def measure(database: str | None, home: Path, counts: Sequence[int]) -> list[Run]:
    """The runs of `create-user --from`, one for each of `counts`."""
    home.joinpath("zops.toml").write_text('[server]\nexternal_host = "chat.example"\n')
    common = ("--config", home / "zops.toml")
    runs = []
    for place, count in enumerate(counts):
        people = write_people(home / f"people{place}.csv", count)
        owner = (f"owner{place}@people.example", "Olive Owner")
        words = ("create-realm", "Acme", *owner, "--string-id", f"acme{place}", "--no-password")
        run_zops(*common, *words, home=home, database=database)
        words = ("create-user", "-r", f"acme{place}", "--from", str(people), "--no-password")
        runs.append(run_zops(*common, *words, home=home, database=database))
    return runs


def is_within(dialect: str, runs: Sequence[Run], counts: Sequence[int]) -> bool:
    """Does it keep to what is promised?"""
    allowed = MOST_SECONDS * counts[0] / USERS
    in_time = dialect == "sqlite" or runs[0].seconds <= allowed
    return in_time and max(run.peak_mb for run in runs) <= runs[0].peak_mb * (1 + MOST_GROWTH)


@contextmanager
def place_of(dialect: str, home: Path) -> Iterator[str | None]:
    """The URL of a fresh database; None for the default SQLite file in `home`."""
    if dialect == "sqlite":
        yield None
        return
    with postgres_server() as server, new_database(server, home) as url:
        yield url


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
            with place_of(dialect, home) as database:
                runs = measure(database, home, words.users)
            within = is_within(dialect, runs, words.users)
            kept = kept and within
            for count, run in zip(words.users, runs, strict=True):
                times = (f"{run.seconds:.1f} s", f"{run.processor_seconds:.1f} s")
                verdict = "ok" if within else "TOO MUCH"
                lines.append((dialect, f"{count:,}", *times, f"{run.peak_mb:.1f} MB", verdict))
    print(table(HEADER, lines))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
