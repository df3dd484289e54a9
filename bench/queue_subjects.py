"""What is measured of queues, each as a function of the place: see `bench.queue`."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg2

from bench.queue_place import PROGRAMS, Place, Rate, read_marks, start, start_zops
from zops_queue.plugin import zops_queue_workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.queue_place import Program

QUEUES = 13  # as many as a server's workers have
ACTIVITY = "user_activity"
TO_PIKA, PUBLISHED = "bench_noop_0", "bench_noop_1"  # queues that zops knows
DONE, WITH_DEAD_LETTERS = 0, 5  # exit codes
COUNT_ACTIVITY = "SELECT sum(count) FROM zerver_useractivity"


def activity(place: Place, events: Path, count: int) -> Rate:
    """`zops process-queue user_activity`: from the first effect in the database to the last."""
    place.query("TRUNCATE zerver_useractivity")
    place.publish(ACTIVITY, events)
    program = start_zops(
        place, "process-queue", ACTIVITY, "--drain", variables=place.variables(0, place.home)
    )
    with closing(psycopg2.connect(place.database)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        moments: list[tuple[float, int]] = []

        def look() -> bool:
            cursor.execute(COUNT_ACTIVITY)
            done = int(cursor.fetchall()[0][0] or 0)
            if done:
                moments.append((time.monotonic(), done))
            return done >= count

        program.wait_until(look)
    run = program.wait()
    (began, first), (ended, last) = moments[0], moments[-1]
    assert last == count, f"{last} of {count} events had their effect"
    return Rate(last - first, ended - began, run.processor_seconds, run.peak_mb)


def bare_pika(place: Place, events: Path, count: int, batch: int) -> Rate:
    """A consumer with pika that does nothing, with `batch` events to an acknowledgement."""
    place.publish(TO_PIKA, events)
    prefetch = place.prefetch if batch == 1 else 2 * batch
    roomy = replace(place, prefetch=prefetch)
    return _marked(roomy, count, _python(roomy, "pika_consume.py", TO_PIKA, str(batch)))


def noop(place: Place, events: Path, count: int) -> Rate:
    """A worker of zops that does nothing."""
    place.publish("bench_noop", events)
    words = ("process-queue", "bench_noop", "--prefetch", str(place.prefetch))
    return _marked(place, count, lambda variables: start_zops(place, *words, variables=variables))


def dramatiq(place: Place, count: int) -> Rate:
    """An actor of dramatiq that does nothing, in one process with one thread."""
    program = place.others / "bin" / "dramatiq"
    words = ("dramatiq_noop", "--processes", "1", "--threads", "1", "--path", str(PROGRAMS))
    return _other(place, count, "dramatiq_noop.py", [program, *words])


def celery(place: Place, count: int, pool: str) -> Rate:
    """A task of celery that does nothing, one at a time."""
    program = place.others / "bin" / "celery"
    words = ("-A", "celery_noop", "worker", "--pool", pool, "--concurrency", "1")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR")
    return _other(place, count, "celery_noop.py", [program, *words, *quiet])


def publish(place: Place, events: Path, count: int) -> Rate:
    """The whole command `zops queue publish`."""
    run = place.publish(PUBLISHED, events)
    return Rate(count, run.seconds, run.processor_seconds, run.peak_mb)


def publish_with_pika(place: Place, count: int) -> Rate:
    """pika, waiting for each confirmation."""
    return _marked(place, count, _python(place, "pika_publish.py", PUBLISHED))


def first_event(place: Place, events: Path) -> float:
    """Seconds from the start of a worker to its first event."""
    place.publish("bench_noop", events)
    marks = place.new_file("marks")
    program = start_zops(place, "process-queue", "bench_noop", variables=place.variables(1, marks))
    program.wait_until(marks.exists)
    program.end()
    return float(json.loads(marks.read_text())["first"]) - program.started


def many_queues(place: Place, activities: Path, numbers: Path) -> tuple[int, float]:
    """How many of `QUEUES` queues have workers of ours, and the peak memory of all in one process.

    All workers are loaded, connected and called; most find that a number is no event of theirs.
    """
    queues = [worker.queue for worker in zops_queue_workers()]
    own = len(queues)
    queues += [f"bench_noop_{number}" for number in range(QUEUES - own)]
    for queue in queues:
        place.publish(queue, activities if queue.startswith(ACTIVITY) else numbers)
    (place.home / "zops.toml").write_text("[server]\npush_service = false\n", "utf-8")
    variables = place.variables(0, place.home) | {
        "ZOPS_SMTP_URL": "smtp://127.0.0.1:1",
        "ZOPS_MAIL_FROM": "zops@measured.example",
        "ZOPS_EXTERNAL_HOST": "measured.example",
    }
    del variables["ZOPS_BENCH_MARKS"]
    words = ("process-queue", *queues, "--multi-threaded", "--drain")
    program = start_zops(place, *words, variables=variables)
    return own, program.wait(DONE, WITH_DEAD_LETTERS).peak_mb


def _python(place: Place, name: str, *words: str) -> Callable[[dict[str, str]], Program]:
    command = [sys.executable, PROGRAMS / name, *words]
    return lambda variables: start(place, command, variables)


def _other(place: Place, count: int, publisher: str, command: list[str | Path]) -> Rate:
    """Publish with a program of the other environment, then work with one."""
    unused = place.variables(count, place.new_file("marks"))
    start(place, [place.others / "bin" / "python", PROGRAMS / publisher], unused).wait()
    return _marked(place, count, lambda variables: start(place, command, variables))


def _marked(place: Place, count: int, begin: Callable[[dict[str, str]], Program]) -> Rate:
    """What a program notes of its events; it is ended then."""
    marks = place.new_file("marks")
    variables = place.variables(count, marks) | {"dramatiq_queue_prefetch": str(place.prefetch)}
    program = begin(variables)
    program.wait_until(lambda: marks.exists() or program.process.poll() == 0)
    program.end()
    return read_marks(marks, count)
