"""A plugin whose workers do what an event tells them, also what ends their process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.zops_queue.receiving import until
from zops_queue.processing import in_hand
from zops_queue.processing.in_hand import read

if TYPE_CHECKING:
    import subprocess

    from zcore.testing.commands import Zops

SECONDS_TO_START = 60.0

PLUGIN = """
from zcore import Worker, hookimpl

@hookimpl
def zops_queue_workers():
    return [
        Worker("danger", "zops_danger.work:handle", "Does what it is told.", batch=10),
        Worker("danger_one", "zops_danger.work:handle", "Does it one by one."),
        Worker("danger_hasty", "zops_danger.work:handle", "Has no time.", timeout=0.5),
    ]
"""

WORK = """
import os, signal, time
from pathlib import Path

PLACE = Path(os.environ["DANGER"])

def handle(events, context):
    note("began", events)
    for event in events:
        if not (PLACE / "fixed").exists():
            globals()["do_" + event.payload.get("do", "well")]()
    note("done", events)

def note(what, events):
    with open(PLACE / what, "a") as file:
        file.write("".join(f"{event.payload['n']} {os.getpid()}\\n" for event in events))

def do_well():
    pass

def do_wait():
    while not (PLACE / "go").exists():
        time.sleep(0.01)

def do_raise():
    raise ValueError("no good")

def do_hang():
    time.sleep(3600)

def do_exit():
    os._exit(0)

def do_crash():
    os.abort()

def do_exhaust():
    hoard = []
    while True:
        hoard.append(b"x" * 10_000_000)
"""


def until_stopping(home: Path) -> None:
    """Wait until whoever works with the data folder `home` knows that it is to stop."""
    notes = home / "in-hand"
    until(lambda: not any(note.busy for path in in_hand.notes(notes) if (note := read(path))))


class Danger:
    """The plugin, installed for `zops`; its workers write down what they do in `place`."""

    def __init__(self, zops: Zops, place: Path) -> None:
        self.zops = zops
        self.place = place
        self.code = place / "site" / "zops_danger"
        record = place / "site" / "zops_danger-1.0.dist-info"
        for folder in (self.code, record):
            folder.mkdir(parents=True)
        (record / "METADATA").write_text("Metadata-Version: 2.1\nName: zops-danger\nVersion: 1.0\n")
        (record / "entry_points.txt").write_text("[zops]\ndanger = zops_danger\n")
        (self.code / "__init__.py").write_text(PLUGIN)
        (self.code / "work.py").write_text(WORK)
        zops.environment["PYTHONPATH"] = str(place / "site")
        zops.environment["DANGER"] = str(place)

    def publish(self, queue: str, *events: dict[str, object]) -> None:
        """Put events on the queue, numbered from 0 where they do not say."""
        numbered = ({"n": n} | event for n, event in enumerate(events))
        lines = "".join(f"{json.dumps(event)}\n" for event in numbered)
        self.zops("queue", "publish", queue, stdin=lines)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`zops process-queue` with `arguments`, in a process of its own."""
        return self.zops.start("process-queue", *arguments)

    def began(self) -> list[int]:
        """The numbers of the events that a worker has begun."""
        return [number for number, _ in self._noted("began")]

    def done(self) -> list[int]:
        """The numbers of the events that a worker has done."""
        return [number for number, _ in self._noted("done")]

    def processes(self) -> set[int]:
        """The processes that have begun an event."""
        return {process for _, process in self._noted("began")}

    def until_begun(self, count: int = 1) -> None:
        """Wait until a worker has begun so many events."""
        until(lambda: len(self.began()) >= count, SECONDS_TO_START)

    def until_stopping(self) -> None:
        """Wait until whoever works knows that it is to stop."""
        until_stopping(self.zops.home)

    def go(self) -> None:
        """Let the events that wait end."""
        (self.place / "go").touch()

    def fix(self) -> None:
        """From now on the workers do everything well."""
        (self.place / "fixed").touch()

    def dead(self, queue: str) -> dict[int, str]:
        """Why events are dead letters, by their number."""
        shown = self.zops("--json", "queue", "dead", queue).json()["dead_letters"]
        return {letter["event"]["n"]: letter["error"] for letter in shown}

    def ready(self, queue: str) -> int:
        """How many events are ready, or in hand of somebody who is not there any more."""
        (state,) = self.zops("--json", "queue", "stats", queue).json()["queues"]
        return int(state["ready"]) + int(state["in_hand"] or 0)

    def _noted(self, what: str) -> list[tuple[int, int]]:
        path = self.place / what
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(number), int(process)) for number, process in map(str.split, lines)]
