"""Disturb imports and see to them: python -m bench.import_kills

On SQLite and PostgreSQL: killed at every crash point and at random moments, with the database
server restarted under them, and on a disk that is too small. Afterwards every table has the rows
that it had before or the whole organization, files likewise, and `--resume` or `--abandon` puts the
rest right. The small disks are mounted, which takes root.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from bench.make_realm import PACKAGED
from bench.running import DIALECTS, make_export, new_database
from tests.zops_export.import_kills import ImportCampaign
from tests.zops_export.servers import crash
from zcore.database import Database
from zcore.testing.commands import Zops
from zcore.testing.postgres import PrivatePostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEPT = ("synchronous_commit=on",)  # what was committed survives a crash
LARGE = 1 << 30  # bytes of a disk on which everything has room
DATABASE = "zops.db"


class Trial(NamedTuple):
    """One disturbance: in words, and what does it."""

    name: str
    disturb: Callable[[], object]


class Disk:
    """A disk of its own size, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount(LARGE)

    def _mount(self, size: int, *more: str) -> None:
        options = ",".join((*more, f"size={size}", "mode=700"))
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder]
        subprocess.run(command, check=True)

    @property
    def used(self) -> int:
        """How many bytes are taken."""
        return sum(path.stat().st_blocks * 512 for path in self.folder.rglob("*"))

    @contextmanager
    def with_room(self, size: int) -> Iterator[None]:
        """While inside, so many bytes fit on it beside what is there."""
        self._mount(self.used + size, "remount")
        try:
            yield
        finally:
            self._mount(LARGE, "remount")

    def unmount(self) -> None:
        """Throw it away."""
        subprocess.run(["umount", self.folder], check=True)  # noqa: S607  # wherever it is


class Bench:
    """The trials on one database. `server` is PostgreSQL's, if it is one."""

    def __init__(
        self,
        campaign: ImportCampaign,
        database: Database,
        disk: Disk,
        server: PrivatePostgres | None,
    ) -> None:
        self._campaign, self._database = campaign, database
        self._disk, self._server = disk, server

    def trials(self, words: argparse.Namespace) -> Iterator[Trial]:
        """Everything that is done to imports."""
        campaign = self._campaign
        chance = random.Random(words.seed)  # noqa: S311  # no secret
        for point in campaign.points:
            yield Trial(f"killed at {point}", lambda at=point: campaign.kill_at(at))  # type: ignore[misc]  # its own
        for _ in range(words.moments):
            at = chance.uniform(0.0, campaign.seconds)
            yield Trial(f"killed after {at:.2f} s", lambda at=at: campaign.kill_after(at))  # type: ignore[misc]  # its own
        for _ in range(words.restarts if self._server is not None else 0):
            at = chance.uniform(0.0, campaign.seconds)
            yield Trial(f"server crashed after {at:.2f} s", lambda at=at: self._crash_after(at))  # type: ignore[misc]  # its own
        needed = campaign.bytes_written
        for number in range(words.disks):
            room = int(needed * (number + 0.5) / words.disks)
            yield Trial(f"room for {room:,} bytes", lambda room=room: self._fill(room))  # type: ignore[misc]  # its own

    def run(self, words: argparse.Namespace) -> tuple[int, int]:
        """How many trials there were, and how many went wrong, each of which is told."""
        total = failed = 0
        for total, trial in enumerate(self.trials(words), 1):
            try:
                trial.disturb()
                self._campaign.see_to_it(resume=total % 2 == 0)
            except AssertionError as error:
                failed += 1
                print(f"{self._database.dialect}, {trial.name}: {error}", flush=True)
                self._campaign.start_anew()
        return total, failed

    def _crash_after(self, seconds: float) -> None:
        server = self._server
        assert server is not None
        self._campaign.disturb_after(seconds, lambda _: crash(server))
        self._database.engine.dispose()
        _wait_for(server)

    def _fill(self, room: int) -> None:
        with self._disk.with_room(room):
            code = self._campaign.disturb_after(
                3600, lambda process: process.kill(), *self._campaign.words, "--ignore-free-space"
            )
        assert code == 1, f"exit code {code}"


def _wait_for(server: PrivatePostgres) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            psycopg2.connect(server.url).close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


@contextmanager
def bench_on(dialect: str, home: Path, source: Path) -> Iterator[Bench]:
    """All that is needed for one dialect. The files, and a SQLite database, are on the disk."""
    disk = Disk(home / f"disk-{dialect}")
    server = None if dialect == "sqlite" else PrivatePostgres(KEPT)
    try:
        zops = Zops(home)
        uploads = disk.folder / "uploads"
        zops.environment |= {"ZOPS_UPLOADS": str(uploads), "ZOPS_AVATAR_SALT": "salt"}
        with (
            _database(server, home, disk.folder) as url,
            closing(Database.connect(url)) as database,
        ):
            zops.environment["ZOPS_DATABASE"] = url
            campaign = ImportCampaign(zops, zops, database, uploads, source)
            yield Bench(campaign, database, disk, server)
    finally:
        if server is not None:
            server.stop()
        disk.unmount()


@contextmanager
def _database(server: PrivatePostgres | None, home: Path, folder: Path) -> Iterator[str]:
    if server is not None:
        with new_database(server, home) as url:
            yield url
        return
    url = f"sqlite:///{folder / DATABASE}"
    Database.connect(url, create=True).close()
    yield url


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.import_kills", description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1, help="as many messages, so many times")
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--disks", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dialect", choices=DIALECTS, action="append")
    words = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory("-zops-bench") as folder:
        home = Path(folder)
        source = make_export(home / "made", PACKAGED, "--times", str(words.times))
        for dialect in words.dialect or DIALECTS:
            with bench_on(dialect, home, source) as bench:
                total, failed = bench.run(words)
            print(f"{dialect}: {total} imports disturbed, {failed} of them left something wrong")
            failures += failed
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
