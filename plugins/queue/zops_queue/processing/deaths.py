"""Which events were in hand when processes died: to find those that kill them.

A process that dies leaves its notes (`in_hand`). Whoever sees an event come back reads what the
dead left, under a lock, and counts a death for each event that was in hand. Most are innocent:
their process was killed from outside, or another event of the same batch was the reason. So an
event that has been in hand at a death is handled by itself from then on, and before it can be
found guilty with nothing else beside it in the process; when it does well it is forgotten.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zops_queue.held_files import is_held
from zops_queue.processing import in_hand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from zops_queue.processing.in_hand import Contents

DEATHS = 3  # that an event may be part of
FILE = "deaths.json"
LOCK = "deaths.lock"
DAYS_KEPT = 7
SECONDS_FOR_A_SUPERVISOR = 1.0  # to say how a process ended
SECONDS_BETWEEN_LOOKS = 0.02
UNKNOWN = "its process ended while it was in hand"


@dataclass(frozen=True, slots=True)
class Suspect:
    """What is known of an event: how many `deaths` it was part of, and the `reason` of the last.

    `alone` says that nothing else was in hand at one of them; `late` that it took too long.
    """

    deaths: int = 0
    alone: bool = False
    late: bool = False
    reason: str = UNKNOWN
    token: str = ""
    time: float = 0.0

    def is_guilty(self, most: int) -> bool:
        """Is it the reason why `most` processes ended?"""
        return self.late or (self.alone and self.deaths >= most)

    def needs_to_be_alone(self, most: int) -> bool:
        """Would the next death decide?"""
        return self.deaths >= most - 1


Book = dict[str, dict[str, Suspect]]
"""Suspects by queue and by the hash of their body, in hexadecimal."""


class Deaths:
    """The book of the dead in `folder`, shared by all processes that work there.

    While it cannot be written (the disk is full) this process keeps what it knows, and warns once.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.time,
        warn: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._warn = warn
        self._unwritten: Book = {}

    def require_writable(self) -> None:
        """Raise `Refused` when nobody can write here: then a supervisor sees nothing."""
        try:
            with self._open():
                pass
        except OSError as error:
            raise Refused(
                f"what is in hand cannot be noted in {self.folder}: {error.strerror}",
                hint="name a data folder that can be written with ZOPS_HOME",
            ) from error

    def consumers(self) -> Counter[str]:
        """How many threads of living processes work on which queue."""
        return Counter(
            contents.queue for path, contents in _read(in_hand.notes(self.folder)) if is_held(path)
        )

    def suspects(self, queue: str) -> dict[bytes, Suspect]:
        """The events of `queue` that were in hand when a process died."""
        self._wait_for_supervisors()
        with self._open() as book:
            self._read_notes(book, self._dead_notes())
            return {bytes.fromhex(name): each for name, each in book.get(queue, {}).items()}

    def forget(self, queue: str, digest: bytes) -> None:
        """An event has done well, or is a dead letter now."""
        with self._open() as book:
            book.get(queue, {}).pop(digest.hex(), None)

    def in_hand_of(self, pid: int) -> list[tuple[Path, Contents]]:
        """What the threads of the process `pid` have in hand at this moment."""
        found = _read(in_hand.notes(self.folder))
        return [(path, note) for path, note in found if note.pid == pid and note.busy]

    def process_died(self, pid: int, reason: str) -> list[Contents]:
        """Count what the dead process `pid` had in hand, if anything; `reason` is how it ended.

        Returns its notes.
        """
        with self._open() as book:
            mine = [note for note in self._dead_notes() if note[1].pid == pid]
            self._read_notes(book, mine, reason)
        return [contents for _, contents in mine]

    def took_too_long(self, path: Path, contents: Contents) -> None:
        """The process of the note at `path` is about to be ended because of what it has in hand."""
        with self._open() as book:
            alone = len(contents.digests) == 1
            reason = f"it took longer than {contents.limit:g} s"
            self._count(book, path.stem, contents, Suspect(alone=alone, late=alone, reason=reason))
            for note, other in _read(in_hand.notes(self.folder)):
                if other.pid == contents.pid:  # no fault of theirs
                    in_hand.excuse(note)

    def _wait_for_supervisors(self) -> None:
        """Let those who know how a process ended say so first, if they do at once."""
        give_up = time.monotonic() + SECONDS_FOR_A_SUPERVISOR
        while time.monotonic() < give_up:
            if not any(contents.watched for _, contents in self._dead_notes()):
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _dead_notes(self) -> list[tuple[Path, Contents]]:
        return [
            (path, contents)
            for path, contents in _read(in_hand.notes(self.folder))
            if not is_held(path)
        ]

    def _read_notes(
        self, book: Book, notes: Iterable[tuple[Path, Contents]], reason: str = UNKNOWN
    ) -> None:
        by_process: dict[int, list[tuple[Path, Contents]]] = defaultdict(list)
        for path, contents in notes:
            by_process[contents.pid].append((path, contents))
        for group in by_process.values():
            events = sum(len(contents.digests) for _, contents in group if contents.busy)
            for path, contents in group:
                if contents.busy:
                    death = Suspect(alone=events == 1, reason=reason)
                    self._count(book, path.stem, contents, death)
                path.unlink(missing_ok=True)

    def _count(self, book: Book, token: str, contents: Contents, death: Suspect) -> None:
        suspects = book.setdefault(contents.queue, {})
        for digest in contents.digests:
            before = suspects.get(digest.hex(), Suspect())
            suspects[digest.hex()] = replace(
                death,
                deaths=before.deaths + 1,
                alone=before.alone or death.alone,
                token=token,
                time=self._clock(),
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[Book]:
        """The book, while nobody else has it; written when it has changed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._load()
            book = {queue: dict(suspects) for queue, suspects in before.items()}
            for queue, suspects in self._unwritten.items():
                book.setdefault(queue, {}).update(suspects)
            yield book
            book = {queue: suspects for queue, suspects in book.items() if suspects}
            if book == before:
                self._unwritten = {}  # it says what is stored already
            else:
                self._save_if_possible(book)
        finally:
            os.close(lock)

    def _load(self) -> Book:
        oldest = self._clock() - DAYS_KEPT * 86_400
        try:
            stored = json.loads((self.folder / FILE).read_bytes())
            return {
                queue: {
                    name: suspect
                    for name, values in suspects.items()
                    if (suspect := Suspect(**values)).time >= oldest
                }
                for queue, suspects in stored.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):  # none yet, or none of ours
            return {}

    def _save_if_possible(self, book: Book) -> None:
        try:
            self._save(book)
        except OSError as error:
            if not self._unwritten:
                self._warn(f"{self.folder / FILE} cannot be written: {error.strerror}")
            self._unwritten = book
        else:
            self._unwritten = {}

    def _save(self, book: Book) -> None:
        draft = self.folder / f".{FILE}"
        text = json.dumps(
            {
                queue: {name: asdict(each) for name, each in some.items()}
                for queue, some in book.items()
            }
        )
        with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        draft.replace(self.folder / FILE)


def _read(paths: Iterable[Path]) -> Iterator[tuple[Path, Contents]]:
    for path in paths:
        if contents := in_hand.read(path):
            yield path, contents
