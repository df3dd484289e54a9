"""Where queues are measured: a RabbitMQ, a PostgreSQL with people in it, programs of others."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2

from bench.bulk_users import write_people
from bench.running import MEGABYTE, ZOPS, CommandFailed, Run, environment_for, run_zops
from zcore.testing.plugins import TemporaryPlugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PROGRAMS = Path(__file__).parent / "queue_programs"
OTHERS = ("dramatiq[rabbitmq]", "celery")
USERS, CLIENTS, QUERIES = 100, 2, 10  # who does what in the events
REALM = "measured"
SECONDS_BETWEEN_LOOKS = 0.01
LONGEST = 60.0  # seconds, for anything


@dataclass(frozen=True, slots=True)
class Rate:
    """So many events in so many seconds, of the clock and of the processor."""

    events: int
    seconds: float
    processor_seconds: float
    peak_mb: float = 0.0

    @property
    def a_second(self) -> float:
        """Events a second of the clock."""
        return self.events / self.seconds

    @property
    def microseconds(self) -> float:
        """Of the processor, for an event."""
        return self.processor_seconds / self.events * 1e6


@dataclass(frozen=True, slots=True)
class Place:
    """One run of the benchmark. `others` is the folder of the environment of other programs."""

    home: Path
    database: str
    broker: str
    others: Path
    prefetch: int
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10_000)))

    def variables(self, events: int, marks: Path) -> dict[str, str]:
        """What the programs here are told."""
        return environment_for(self.home, self.database) | {
            "PYTHONPATH": os.pathsep.join([str(self.home / "site"), str(PROGRAMS)]),
            "ZOPS_BROKER": self.broker,
            "ZOPS_BENCH_BROKER": self.broker,
            "ZOPS_BENCH_EVENTS": str(events),
            "ZOPS_BENCH_MARKS": str(marks),
            "ZOPS_BENCH_PREFETCH": str(self.prefetch),
        }

    def new_file(self, name: str) -> Path:
        """The path of a file that is not there yet."""
        return self.home / f"{name}-{next(self.numbers)}"

    def publish(self, queue: str, events: Path) -> Run:
        """Publish the events in a file with `zops queue publish`."""
        variables = self.variables(0, self.home / "unused")
        return run_zops("queue", "publish", queue, events, home=self.home, variables=variables)

    def query(self, statement: str) -> int:
        """The one number that a query gives; 0 for nothing."""
        with closing(psycopg2.connect(self.database)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
        return int(row[0] or 0) if row else 0


def prepare(place: Place) -> None:
    """People and clients in the database, our plugin, and an environment with other programs."""
    words = ("create-realm", "Measured", "olive@measured.example", "Olive Owner")
    run_zops(
        *words, "--string-id", REALM, "--no-password", home=place.home, database=place.database
    )
    people = write_people(place.home / "people.csv", USERS)
    words = ("create-user", "-r", REALM, "--from", str(people), "--no-password")
    run_zops(*words, home=place.home, database=place.database)
    for number in range(CLIENTS):
        place.query(f"INSERT INTO zerver_client (name) VALUES ('Client {number}')")  # noqa: S608 # a number
    # only the entry point: the module comes from PROGRAMS
    TemporaryPlugins(place.home / "site", {}).install("bench", value="zops_bench")
    install_others(place.others)


def install_others(folder: Path) -> None:
    """dramatiq and celery, unless they are there."""
    if not (folder / "bin" / "celery").exists():
        venv.create(folder, with_pip=True)
        command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *OTHERS]
        subprocess.run(command, check=True, stdout=sys.stderr)


def write_activity(place: Place, count: int) -> Path:
    """A file of events of `user_activity`, as a server queues them: some do much, most little."""
    with closing(psycopg2.connect(place.database)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM zerver_userprofile WHERE NOT is_bot ORDER BY id")
        users = [row[0] for row in cursor]
        cursor.execute("SELECT id FROM zerver_client ORDER BY id DESC LIMIT %s", [CLIENTS])
        clients = [row[0] for row in cursor]
    chance = random.Random(1)  # noqa: S311 # no secret
    often = [[1 / (place + 1) for place in range(many)] for many in (USERS, CLIENTS, QUERIES)]
    path = place.home / "activity.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            event = {
                "user_profile_id": chance.choices(users[:USERS], often[0])[0],
                "client_id": chance.choices(clients, often[1])[0],
                "query": f"/json/request/{chance.choices(range(QUERIES), often[2])[0]}",
                "time": 1_700_000_000 + number // 100,
            }
            file.write(json.dumps(event, separators=(",", ":")) + "\n")
    return path


def write_numbers(place: Place, count: int) -> Path:
    """A file of events with a number each."""
    path = place.home / f"numbers-{count}.jsonl"
    path.write_text("".join(f'{{"n":{number}}}\n' for number in range(count)), "utf-8")
    return path


@dataclass(slots=True)
class Program:
    """A program that runs, with what it says in a file."""

    process: subprocess.Popen[bytes]
    output: Path
    started: float

    def wait(self, *exit_codes: int) -> Run:
        """When it has ended by itself, with one of `exit_codes` (0). Raises `CommandFailed`."""
        _, status, usage = os.wait4(self.process.pid, 0)
        seconds = time.monotonic() - self.started
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode not in (exit_codes or (0,)):
            raise CommandFailed(f"{self.process.args}\n{self.output.read_text(errors='replace')}")
        peak = usage.ru_maxrss * 1024 / MEGABYTE
        return Run(seconds, usage.ru_utime + usage.ru_stime, peak)

    def wait_until(self, happened: Callable[[], object]) -> None:
        """Look again and again, while it runs. Raises `CommandFailed` when it ends before."""
        deadline = time.monotonic() + LONGEST
        while not happened():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                said = self.output.read_text(errors="replace")
                raise CommandFailed(f"{self.process.args} did not do its work\n{said}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def end(self) -> None:
        """Ask it to stop, then make it."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()


def start(place: Place, command: Sequence[str | Path], variables: dict[str, str]) -> Program:
    """Start a program."""
    output = place.new_file("output")
    with output.open("wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=variables, stdout=file, stderr=subprocess.STDOUT, cwd=place.home
        )
    return Program(process, output, started)


def start_zops(place: Place, *words: str, variables: dict[str, str]) -> Program:
    """Start the installed `zops`."""
    return start(place, [ZOPS, *words], variables)


def read_marks(marks: Path, events: int) -> Rate:
    """What a program wrote of its first and last event."""
    taken = json.loads(marks.read_text())
    return Rate(events, taken["seconds"], taken["processor_seconds"])


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for everything, that goes again."""
    return tempfile.TemporaryDirectory(prefix="zops-bench-")
