"""How much memory import and export take, and how that grows: python -m bench.memory

Imports and exports the same organization with its own messages and with ten times as many, on
SQLite and on PostgreSQL, each in a process of its own. Exit code 1 when the small data take more
than 250 MB, or the large data 20 % more than the small.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from bench.make_realm import PACKAGED
from bench.running import (
    DIALECTS,
    MOST_GROWTH,
    Run,
    fresh_place,
    growth,
    make_export,
    run_zops,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_MB = 250

Runs = dict[str, list[Run]]


def measure(database: str | None, home: Path, exports: Sequence[Path]) -> Runs:
    """The runs of `import` and `export`, for each of `exports` in turn, into one database."""
    runs: Runs = {"import": [], "export": []}
    for number, path in enumerate(exports):
        name = f"realm{number}"
        runs["import"].append(run_zops("import", name, path, home=home, database=database))
        words = ("export", "--realm", name, "--output", home / f"{name}.tar.gz")
        runs["export"].append(run_zops(*words, home=home, database=database))
    return runs


def is_within(runs: Sequence[Run]) -> bool:
    """Does it keep to what is promised?"""
    return runs[0].peak_mb <= MOST_MB and growth(runs) < MOST_GROWTH


def described(name: str, runs: Sequence[Run]) -> list[str]:
    """One line of the table."""
    peaks = [f"{run.peak_mb:.1f} MB" for run in runs]
    times = [f"{run.seconds:.1f} s" for run in runs]
    pairs = [cell for pair in zip(peaks, times, strict=True) for cell in pair]
    return [name, *pairs, f"{growth(runs):+.1%}", "ok" if is_within(runs) else "TOO MUCH"]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=PACKAGED, help="an export to start from")
    parser.add_argument("--times", type=int, nargs="+", default=[10], metavar="N")
    parser.add_argument("--database", choices=DIALECTS, nargs="+", default=DIALECTS)
    parser.add_argument("--keep", type=Path, help="a new folder for the data, which stays")
    words = parser.parse_args()
    if words.keep is not None:
        words.keep.mkdir()
    work = nullcontext(words.keep) if words.keep else tempfile.TemporaryDirectory("-zops-bench")
    with work as folder:
        sizes = [1, *words.times]
        exports = [
            make_export(Path(folder, f"x{size}"), words.source, "--times", str(size))
            for size in sizes
        ]
        results: Runs = {}
        for dialect in words.database:
            home = Path(folder, dialect)
            home.mkdir()
            with fresh_place(dialect, home) as place:
                for command, runs in measure(place.database, home, exports).items():
                    results[f"{command} {dialect}"] = runs
    header = ["", *(cell for size in sizes for cell in (f"x{size}", "")), "growth", ""]
    print(table(header, [described(name, runs) for name, runs in results.items()]))
    return 0 if all(is_within(runs) for runs in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
