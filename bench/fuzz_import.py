"""Import thousands of spoilt exports: python -m bench.fuzz_import

Each is a small real export with something wrong in it, imported in a process of its own beside
another organization; `tests/zops_export/fuzzing.py` has what each must keep to. A case that does
not is named, and run again with `--case NAME` (and `--keep FOLDER` to look at it).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.running import postgres_server
from tests.interop.reading import REAL_EXPORTS, unpack
from tests.zops_export.fuzzing import (
    KEPT,
    SMALL,
    Outcome,
    SqlitePlace,
    Trials,
    as_line,
    case_names,
    fill,
    spoil,
)
from tests.zops_export.lightening import lighten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.testing.postgres import PostgresServer

CASES = 5000
POSTGRES_CASES = 400


class Place(Protocol):
    """A database in which another organization is."""

    url: str

    def renew(self) -> None:
        """Make it what it was."""
        ...


class PostgresPlace:
    """A database of a server, and another one that it is copied from."""

    def __init__(self, server: PostgresServer, export: Path, folder: Path) -> None:
        self._server = server
        self._template = server.create_database()
        fill(server.database_url(self._template), export, folder)
        self._name = server.create_database(template=self._template)
        self.url = server.database_url(self._name)

    def renew(self) -> None:
        """See `Place`."""
        self._server.drop_database(self._name)
        self._name = self._server.create_database(template=self._template)
        self.url = self._server.database_url(self._name)


@contextmanager
def prepared(kind: str, export: Path, folder: Path) -> Iterator[Place]:
    """A place of that kind."""
    if kind == "sqlite":
        yield SqlitePlace(export, folder)
        return
    with postgres_server() as server:
        yield PostgresPlace(server, export, folder)


def campaign(names: list[str], place: Place, trials: Trials, shown: set[int]) -> list[Outcome]:
    """Run the cases; those with faults, or exit codes to be `shown`, are told at once."""
    outcomes = []
    for number, name in enumerate(names, start=1):
        outcome = trials.run(name, place.url)
        outcomes.append(outcome)
        if outcome.faults or outcome.exit_code in shown:
            print(as_line(outcome), flush=True)
        if outcome.faults or outcome.taken_in:
            place.renew()
        if number % 500 == 0:
            print(f"{number} of {len(names)}", file=sys.stderr, flush=True)
    return outcomes


def report(kind: str, outcomes: list[Outcome], seconds: float) -> None:
    """What came of them, in two lines."""
    codes = Counter(outcome.exit_code for outcome in outcomes)
    said = ", ".join(f"{count} with exit code {code}" for code, count in sorted(codes.items()))
    faults = sum(1 for outcome in outcomes if outcome.faults)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    largest = max(outcomes, key=lambda outcome: outcome.more_resident)
    print(f"{kind}: {len(outcomes)} imports in {seconds:.0f} s: {said}; {faults} with faults")
    print(
        f"  the slowest took {slowest.seconds:.1f} s ({slowest.name}),"
        f" the largest {largest.more_resident >> 20} MB more than before ({largest.name})"
    )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.fuzz_import", description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES, help="so many into SQLite")
    parser.add_argument("--postgres", type=int, default=POSTGRES_CASES, help="into PostgreSQL")
    parser.add_argument("--from", type=int, default=0, dest="start", help="pass over the first")
    parser.add_argument("--case", action="append", help="only this one; may be repeated")
    parser.add_argument("--show", type=int, action="append", default=[], metavar="EXIT_CODE")
    parser.add_argument("--keep", type=Path, help="with --case: make it there and run nothing")
    words = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory("-zops-fuzz") as name:
        folder = Path(name)
        (folder / "real").mkdir()
        export = lighten(unpack(REAL_EXPORTS["full"], folder / "real"), folder / "small", SMALL)
        if words.keep:
            words.keep.mkdir(parents=True, exist_ok=True)
            print(spoil(words.case[0], export, words.keep))
            return 0
        for kind, count in (("sqlite", words.cases), ("postgresql", words.postgres)):
            names = words.case or [*KEPT, *list(case_names(count))[words.start :]]
            if not count or not names:
                continue
            started = time.monotonic()
            (folder / kind).mkdir()
            with prepared(kind, export, folder / kind) as place:
                outcomes = campaign(names, place, Trials(export, folder / kind), set(words.show))
            report(kind, outcomes, time.monotonic() - started)
            failed += sum(1 for outcome in outcomes if outcome.faults)
        shutil.rmtree(folder / "real")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
