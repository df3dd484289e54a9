"""Child processes that do the work, and what is done when one of them dies, hangs or has enough."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zcore.errors import Failed
from zops_queue.processing.child import Child
from zops_queue.processing.lifeline import DRAINED
from zops_queue.processing.memory import MEBIBYTE, resident_bytes
from zops_queue.processing.restart import RESTART_SIGNALS
from zops_queue.processing.retry import Pauses
from zops_queue.processing.workplace import Tally
from zops_queue.watching.meter import OUTCOMES, QueueMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zcore.console import Console
    from zcore.signals import StopFlag
    from zops_queue.processing.deaths import Deaths
    from zops_queue.processing.in_hand import Contents
    from zops_queue.processing.workplace import Options
    from zops_queue.watching.merged import MergedMeters

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_AFTER_GRACE = 5.0  # for a child to end by itself
SECONDS_OF_GOOD_WORK = 30.0


@dataclass(slots=True)
class _Post:
    """A place for a child. `failures` are its deaths in a row, `done` says that it needs none."""

    number: int
    child: Child | None = None
    failures: int = 0
    next_start: float = 0.0
    done: bool = False


@dataclass(slots=True)
class Supervisor:
    """Keeps as many children at work as `options.processes` says, at least one."""

    options: Options
    stop: StopFlag
    console: Console
    deaths: Deaths
    meters: MergedMeters
    look: Callable[[], object] = lambda: None
    pauses: Pauses = field(default_factory=lambda: Pauses(first=0.2))
    _tally: Tally = field(default_factory=Tally)
    _posts: list[_Post] = field(default_factory=list)

    def run(self) -> Tally:
        """Until asked to stop or, when draining, until nothing is left. What was done.

        Raises `Failed` when a child cannot drain.
        """
        self._posts += [_Post(number) for number in range(max(1, self.options.processes))]
        with (
            self.stop.at_the_end(self._kill_all),
            self.stop.hearing(RESTART_SIGNALS, self.restart),
        ):
            try:
                while not all(post.done for post in self._posts):
                    self._listen()
                    for post in self._posts:
                        self._look_after(post)
                    self.look()
            finally:
                self._kill_all()
        return self._tally

    def restart(self) -> None:
        """Have every child finish what is in hand, and start another in its place."""
        for post in self._posts:
            post.failures, post.next_start = 0, 0.0
            if child := post.child:
                child.stop()

    def _listen(self) -> None:
        """Hear what the children say; the end of one is heard, too."""
        children = {post.child.socket: post.child for post in self._posts if post.child}
        if not children:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            return
        said, _, _ = select.select(list(children), [], [], SECONDS_BETWEEN_LOOKS)
        for link in said:
            children[link].listen()

    def _look_after(self, post: _Post) -> None:
        child = post.child
        if child is None:
            self._fill(post)
            return
        self.meters.update(post.number, child.meters)
        if child.has_ended():
            self._replace(post, child)
            return
        if self.stop.is_set():
            child.stop()
        if child.is_overdue(self.options.grace + SECONDS_AFTER_GRACE):
            child.kill("it did not stop when asked to")
        self._watch_time(child)
        self._watch_memory(child)

    def _fill(self, post: _Post) -> None:
        if self.stop.is_set():
            post.done = True
        elif not post.done and time.monotonic() >= post.next_start:
            post.child = Child(self.meters.queues)

    def _watch_time(self, child: Child) -> None:
        """End a child that takes too long over an event, once its other threads are through."""
        now = time.monotonic()
        for path, contents in self.deaths.in_hand_of(child.pid):
            if contents.is_late(now) and not child.killed_because:
                self._condemn(child, path, contents)
        if child.is_condemned and (
            not child.has_other_work() or child.is_overdue(self.options.grace)
        ):
            child.kill()

    def _condemn(self, child: Child, path: Path, contents: Contents) -> None:
        child.condemn(contents.queue, f"it took longer than {contents.limit:g} s")
        self.deaths.took_too_long(path, contents)
        self.console.warn(
            f"queue {contents.queue}: {len(contents.digests)} events took longer than"
            f" {contents.limit:g} s; process {child.pid} is replaced",
            queue=contents.queue,
        )

    def _watch_memory(self, child: Child) -> None:
        """End a child in the middle of an event that takes twice the memory it may have."""
        if self.options.max_memory is None:
            return
        most = 2 * self.options.max_memory
        if resident_bytes(child.pid) > most * MEBIBYTE:
            child.kill(f"its process used more than {most} MB of memory")

    def _replace(self, post: _Post, child: Child) -> None:
        """A child has ended: count what it did, find out why, and whether there is another one."""
        notes = self.deaths.process_died(child.pid, child.how_it_ended())
        self._count(post, child, notes)
        child.close()
        post.child = None
        if self.stop.is_set() or child.ended == DRAINED:
            post.done = True
        elif child.ended or child.is_stopping:
            post.failures = 0
        else:
            self._mourn(post, child, notes)

    def _count(self, post: _Post, child: Child, notes: Sequence[Contents]) -> None:
        """Count what `child` did: as it said itself, or as the notes say that it left."""
        meters = {meter["queue"]: dict(meter) for meter in child.meters}
        for note in notes:
            meter = meters.setdefault(note.queue, QueueMeter(note.queue).numbers())
            meter |= {name: getattr(note, name) for name in OUTCOMES}
        self.meters.update(post.number, list(meters.values()))
        self.meters.end(post.number)
        for meter in meters.values():
            dead = {meter["queue"]: meter["dead"]} if meter["dead"] else {}
            counts = meter["processed"], meter["retried"], dead, meter["repeated"]
            self._tally.add(Tally(*counts))

    def _mourn(self, post: _Post, child: Child, notes: Sequence[Contents]) -> None:
        """A child has died, and left `notes`."""
        if self.options.drain and child.exit_code > 0 and not any(note.busy for note in notes):
            self.stop.set()
            raise Failed(
                f"a process could not work: exit code {child.exit_code}",
                hint="it has said why",
            )
        did_well = time.monotonic() - child.began > SECONDS_OF_GOOD_WORK
        did_something = any(note.processed or note.retried or note.dead for note in notes)
        post.failures = 1 if did_well or did_something else post.failures + 1
        seconds = self.pauses.pause(post.failures)
        post.next_start = time.monotonic() + seconds
        self.console.warn(
            f"process {child.pid} is dead ({child.how_it_ended()}); another one in {seconds:.1f} s",
            process=child.pid,
        )

    def _kill_all(self) -> None:
        for post in self._posts:
            if post.child:
                post.child.kill()
