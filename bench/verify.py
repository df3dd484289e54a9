"""How fast exports are verified, and in how much memory: python -m bench.verify

The same organization with its messages, and with ten times as many, as a folder, as an archive and
as an archive of many members of gzip. Exit code 1 when the large one takes 20 % more memory than
the small one, beyond the 8 bytes that are kept of a row.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.make_realm import MEDIUM, PACKAGED
from bench.running import MEGABYTE, Run, make_export, run_zops, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_GROWTH = 0.20
KEPT_OF_A_ROW = 8
SEGMENT_BYTES = 1 << 20
SMALLER = 10


def rows_kept(folder: Path) -> int:
    """How many rows an export has of which the id is kept: all but user messages."""
    stats = msgspec.json.decode((folder / "stats.json").read_bytes(), type=dict[str, object])
    counts = [said for said in stats.values() if isinstance(said, dict)]
    return sum(n for said in counts for key, n in said.items() if key != "zerver_usermessage")


def packed(folder: Path) -> Path:
    """The folder as an archive."""
    path = folder.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(folder, folder.name)
    return path


def segmented(archive: Path) -> Path:
    """The archive as one whose gzip has many members."""
    path = archive.with_name(f"segments-{archive.name}")
    with gzip.open(archive) as source, path.open("wb") as target:
        while block := source.read(SEGMENT_BYTES):
            target.write(gzip.compress(block, 1))
    return path


def forms(folder: Path) -> Iterator[tuple[str, Path]]:
    """The forms that an export can have."""
    yield "folder", folder
    yield "archive", (archive := packed(folder))
    yield "archive of many members", segmented(archive)


def measure(path: Path, home: Path, rounds: int) -> Run:
    """The quickest of some runs."""
    return min((run_zops("verify", path, home=home) for _ in range(rounds)), key=_seconds)


def _seconds(run: Run) -> float:
    return run.seconds


def growth(small: Run, large: Run, rows: int) -> float:
    """How much more memory the large one took, beyond what is kept of its rows."""
    return (large.peak_mb - rows * KEPT_OF_A_ROW / MEGABYTE) / small.peak_mb - 1


def main(words: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.verify", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=PACKAGED, help="an export to start from")
    parser.add_argument("--rounds", type=int, default=3)
    for name, number in MEDIUM.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=number, metavar="N")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        rest = [f"--users={given.users}", f"--channels={given.channels}"]
        small, large = (
            make_export(
                home / name,
                given.source,
                f"--messages={given.messages // part}",
                f"--user-messages={given.user_messages // part}",
                *rest,
            )
            for name, part in (("small", SMALLER), ("large", 1))
        )
        rows = rows_kept(large)
        lines = []
        grown = 0.0
        for (name, one), (_, other) in zip(forms(small), forms(large), strict=True):
            runs = measure(one, home, given.rounds), measure(other, home, given.rounds)
            grown = max(grown, growth(*runs, rows))
            cells = (f"{run.seconds:.2f} s, {run.peak_mb:.0f} MB" for run in runs)
            lines.append([name, *cells, f"{runs[1].processor_seconds:.2f} s"])
    print(table(["verify", "a tenth", "all", "processor"], lines))
    print(f"\nmemory grows by {grown:+.1%} beyond {KEPT_OF_A_ROW} bytes a row")
    return int(grown > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
