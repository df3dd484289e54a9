"""Export beside raw COPY: python -m bench.export

What it costs PostgreSQL to hand over the rows of messages and user messages as they are is the
least that an export can cost. Both are timed in turns, on one server, in one run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bench.make_realm import PACKAGED
from bench.running import (
    Run,
    best_of,
    import_made,
    make_export,
    new_database,
    postgres_server,
    run_zops,
    table,
    timed,
)
from zcore.testing.programs import postgres_program

if TYPE_CHECKING:
    from collections.abc import Callable

REALM = "measured"
ARCHIVE = "out.tar.gz"
COPIED = ("zerver_message", "zerver_usermessage")


def copy_out(url: str, name: str, folder: Path) -> None:
    """`COPY ... TO STDOUT` of a table, into a file."""
    place = urlsplit(url)
    address = place._replace(netloc=place.netloc.replace(f":{place.password}@", "@")).geturl()
    environment = os.environ | {"PGPASSWORD": unquote(place.password or "")}
    command = [postgres_program("psql"), "-d", address, "-qc", f"COPY {name} TO STDOUT"]
    with (folder / f"{name}.copy").open("wb") as file:
        subprocess.run(command, env=environment, stdout=file, check=True)


def export(url: str | None, home: Path, name: str, threads: int) -> Run:
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
        f"COPY {name} TO STDOUT": partial(timed, partial(copy_out, url, name, home))
        for name in COPIED
    }
    kinds |= {
        "export to a folder, 1 thread": lambda: export(url, home, "out", 1),
        "export to a folder, 2 threads": lambda: export(url, home, "out", 2),
        "export to an archive, 2 threads": lambda: export(url, home, ARCHIVE, 2),
    }
    return best_of(kinds, rounds)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.export", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=PACKAGED, help="an export to start from")
    parser.add_argument("--times", type=int, help="as many messages, so many times; else medium")
    parser.add_argument("--export", type=Path, help="this export as it is, instead of a made one")
    parser.add_argument("--sqlite", action="store_true", help="from SQLite, too: takes minutes")
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    shape = ("--times", str(words.times)) if words.times else ("--medium",)
    with tempfile.TemporaryDirectory("-zops-bench") as folder:
        home = Path(folder)
        path = words.export or make_export(home / "made", words.source, *shape)
        with postgres_server() as server, new_database(server, home) as url:
            import_made(REALM, path, home=home, database=url)
            runs = measure(url, home, words.rounds)
        if words.sqlite:
            run_zops("import", REALM, path, home=home)
            from_sqlite = partial(export, None, home, ARCHIVE, 2)
            runs |= best_of({"export from SQLite, to an archive": from_sqlite}, words.rounds)
    raw = sum(runs[f"COPY {name} TO STDOUT"].seconds for name in COPIED)
    rows = [
        [
            kind,
            f"{run.seconds:.2f} s",
            f"{run.processor_seconds:.2f} s",
            f"{run.peak_mb:.0f} MB",
            f"{run.seconds / raw:.2f}",
        ]
        for kind, run in runs.items()
    ]
    header = ("", "clock", "own processor", "peak", "times both COPY")
    print(table(header, rows))


if __name__ == "__main__":
    main()
