"""What a thread has in hand, written where others can read it when its process is dead.

Each thread of a run has a file of its own, locked for as long as its process lives and mapped
into its memory: a note costs no system call, and what is written stays, however the process ends.
An event is known by a hash of its body, since the broker has another tag for it next time.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import struct
import time
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zcore.broker import Delivery

SUFFIX = ".hand"
IDLE, BUSY, STOPPING = 0, 1, 2
HEADER = struct.Struct("<4sBBxxIIdd4Q256s")
"""Magic, state, watched, pid, events in hand, since, limit, what became of others, queue."""
MAGIC = b"zih3"
STATE = 4  # where its byte is
IN_HAND = struct.Struct("<Idd")  # events, since, limit
IN_HAND_AT = struct.calcsize("<4sBBxxI")
OUTCOMES = struct.Struct("<4Q")  # processed, retried, dead, repeated
OUTCOMES_AT = IN_HAND_AT + IN_HAND.size
DIGEST_BYTES = 8


def digest_of(delivery: Delivery) -> bytes:
    """What an event is known by, whoever has it."""
    return blake2b(delivery.body, digest_size=DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Contents:
    """A note: `busy` with the events `digests` of `queue` `since` a time of `time.monotonic`.

    `limit` is how many seconds that may take, 0 for any; `watched` says that there is another
    process to find out how this one ends. `pid` is the process. What became of the events before
    is counted as in a `Tally`.
    """

    pid: int
    queue: str
    watched: bool
    busy: bool
    since: float
    limit: float
    processed: int
    retried: int
    dead: int
    repeated: int
    digests: tuple[bytes, ...]

    def is_late(self, now: float) -> bool:
        """Has it taken longer than it may?"""
        return self.busy and 0 < self.limit < now - self.since


class Hand:
    """The note of one thread on `queue`, for up to `capacity` events at once.

    Raises `OSError` when it cannot be written in `folder`.
    """

    def __init__(self, folder: Path, queue: str, capacity: int, *, watched: bool = False) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.token = secrets.token_hex(8)
        self.path = folder / f"{self.token}{SUFFIX}"
        draft = folder / f".{self.token}"
        self._capacity = capacity
        self._descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            size = HEADER.size + capacity * DIGEST_BYTES
            os.write(self._descriptor, bytes(size))  # a full disk must show now
            self._map = mmap.mmap(self._descriptor, size)
            name = queue.encode()[:256]
            owner = (MAGIC, IDLE, watched, os.getpid())
            HEADER.pack_into(self._map, 0, *owner, 0, 0.0, 0.0, 0, 0, 0, 0, name)
            draft.rename(self.path)
        except BaseException:
            os.close(self._descriptor)
            draft.unlink(missing_ok=True)
            raise

    def take(self, deliveries: Sequence[Delivery], limit: float = 0.0) -> None:
        """Note that work on `deliveries` begins, and may take `limit` seconds."""
        if self._map[STATE] == STOPPING:
            return
        digests = b"".join(map(digest_of, deliveries[: self._capacity]))
        self._map[HEADER.size : HEADER.size + len(digests)] = digests
        count = len(digests) // DIGEST_BYTES
        IN_HAND.pack_into(self._map, IN_HAND_AT, count, time.monotonic(), limit)
        self._map[STATE] = BUSY

    def release(self) -> None:
        """Note that it is over."""
        if self._map[STATE] == BUSY:
            self._map[STATE] = IDLE

    def count(self, processed: int, retried: int, dead: int, repeated: int) -> None:
        """Note what became of all events so far."""
        OUTCOMES.pack_into(self._map, OUTCOMES_AT, processed, retried, dead, repeated)

    def stop(self) -> None:
        """Note that whatever happens from now on is no fault of an event."""
        self._map[STATE] = STOPPING

    def close(self) -> None:
        """Leave no file behind."""
        self.path.unlink(missing_ok=True)
        self._map.close()
        os.close(self._descriptor)


def read(path: Path) -> Contents | None:
    """The note at `path`; None when there is none."""
    with contextlib.suppress(OSError):
        return _contents(path.read_bytes())
    return None


def _contents(data: bytes) -> Contents | None:
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        return None
    _, state, watched, pid, count, since, limit, *outcomes, queue = HEADER.unpack_from(data)
    processed, retried, dead, repeated = outcomes
    digests = data[HEADER.size : HEADER.size + count * DIGEST_BYTES]
    return Contents(
        pid=pid,
        queue=queue.rstrip(b"\0").decode(errors="replace"),
        watched=bool(watched),
        busy=state == BUSY,
        since=since,
        limit=limit,
        processed=processed,
        retried=retried,
        dead=dead,
        repeated=repeated,
        digests=tuple(
            digests[start : start + DIGEST_BYTES] for start in range(0, len(digests), DIGEST_BYTES)
        ),
    )


def excuse(path: Path) -> None:
    """Note at `path`, for its process, that whatever happens to it is no fault of an event."""
    with contextlib.suppress(OSError), path.open("r+b", buffering=0) as file:
        file.seek(STATE)
        file.write(bytes([STOPPING]))


def notes(folder: Path) -> Iterable[Path]:
    """The files of all notes in `folder`."""
    return folder.glob(f"*{SUFFIX}")
