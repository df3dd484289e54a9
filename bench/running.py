"""What the measurements share: running the installed `zops`, data to run it on, a PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from zcore.testing.postgres import PostgresServer, PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# What a server with 8 GB of memory has: Zulip's installer gives PostgreSQL a share of it.
TUNED = (
    "shared_buffers=1GB",
    "work_mem=16MB",
    "maintenance_work_mem=512MB",
    "effective_cache_size=2560MB",
    "max_wal_size=4GB",
)
# Servers have disks. Where this is not set, those that tests start keep their data in memory.
os.environ.setdefault("TMPDIR", tempfile.gettempdir())
ZOPS = Path(sys.executable).with_name("zops")
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR")
MEGABYTE = 1_000_000
DIALECTS = ("sqlite", "postgresql")
MOST_GROWTH = 0.20  # of memory, as a fraction, when there is more to do
SECONDS_TO_END = 0.3  # a session ends a moment after its client


class CommandFailed(Exception):
    """A command that was measured did not do its work."""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: seconds of the clock and of the processor, peak resident memory."""

    seconds: float
    processor_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Place:
    """A fresh database: its URL, None for the default SQLite file; the number of its own server."""

    database: str | None = None
    postmaster: int | None = None

    def server_seconds(self) -> float:
        """What sessions that have ended took of the processor; 0 without a server of our own."""
        if self.postmaster is None:
            return 0.0
        time.sleep(SECONDS_TO_END)
        fields = Path(f"/proc/{self.postmaster}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def growth(runs: Sequence[Run]) -> float:
    """How much more memory the largest run took than the first, as a fraction."""
    return max(run.peak_mb for run in runs) / runs[0].peak_mb - 1


def environment_for(home: Path, database: str | None = None) -> dict[str, str]:
    """The variables of a `zops` with a data folder of its own."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment["ZOPS_HOME"] = str(home)
    environment["ZOPS_UPLOADS"] = str(home / "uploads")
    environment["ZOPS_AVATAR_SALT"] = "salt"
    if database is not None:
        environment["ZOPS_DATABASE"] = database
    return environment


def run_zops(
    *words: str | Path,
    home: Path,
    database: str | None = None,
    trusted: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """Run `zops` with a data folder of its own. Raises `CommandFailed`.

    `trusted`: PostgreSQL checks no foreign keys, which only a superuser may ask for. `variables`
    are more of its environment.

    zops works in one process; of children the largest would count. This process has to stay
    smaller than what it measures: a child counts the memory it was started from.
    """
    environment = environment_for(home, database) | (variables or {})
    if trusted:
        environment["PGOPTIONS"] = "-c session_replication_role=replica"
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [ZOPS, *words], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise CommandFailed(f"zops {' '.join(map(str, words))}: {process.returncode}\n{said}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MEGABYTE)


def make_export(target: Path, source: Path, *words: str) -> Path:
    """An export made by `bench.make_realm`, in a process of its own."""
    command = [sys.executable, "-m", "bench.make_realm", target, "--source", source, *words]
    subprocess.run(command, check=True, cwd=Path(__file__).parent.parent, stdout=sys.stderr)
    return target


def import_made(realm: str, path: Path, *, home: Path, database: str) -> None:
    """Import a made export quickly; then do what a server's autovacuum would have done."""
    run_zops("import", realm, path, home=home, database=database, trusted=True)
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def timed(work: Callable[[], None]) -> Run:
    """Time `work` in this process; its memory is not looked at."""
    started, processor = time.perf_counter(), time.process_time()
    work()
    return Run(time.perf_counter() - started, time.process_time() - processor, 0.0)


def best_of(kinds: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, Run]:
    """The quickest run of each kind: all kinds in turn, `rounds` times."""
    runs = [{kind: run() for kind, run in kinds.items()} for _ in range(rounds)]
    return {kind: min((some[kind] for some in runs), key=lambda run: run.seconds) for kind in kinds}


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """The server that ZOPS_TEST_POSTGRES names, or a private one that is thrown away."""
    named = os.environ.get("ZOPS_TEST_POSTGRES")
    server = PostgresServer(named) if named else PrivatePostgres(TUNED)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def new_database(server: PostgresServer, home: Path) -> Iterator[str]:
    """The URL of a database with Zulip's tables and nothing in them."""
    name = server.create_database()
    try:
        url = server.database_url(name)
        run_zops("db", "init", home=home, database=url)
        yield url
    finally:
        server.drop_database(name)


@contextmanager
def fresh_place(dialect: str, home: Path) -> Iterator[Place]:
    """A database with nothing in it, for one of `DIALECTS`; SQLite's lies in `home`."""
    if dialect == "sqlite":
        yield Place()
        return
    with postgres_server() as server, new_database(server, home) as url:
        if not isinstance(server, PrivatePostgres):
            yield Place(url)
            return
        number = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
        yield Place(url, int(number))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text under a header, in columns; the first column leans left."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )
