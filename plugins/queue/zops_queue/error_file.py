"""Error files that a Zulip server's own workers write: read line by line, whatever they hold.

`<queue>.errors` has a line for each call of a worker that failed: the local time, a tab, and the
events of that call as a JSON array. The server's own command for such files publishes the array as
one event, on which every worker fails, and which then stands in the file as an array in an array:
these are read as the events that they hold, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from zcore.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_LINE = 64 * 1024 * 1024  # bytes; a line has up to a hundred events
LONGEST_EVENT = 16 * 1024 * 1024  # bytes; what RabbitMQ takes at most


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is no event: the number of its line, and the reason in words."""

    line: int
    reason: str


def read_events(stream: BinaryIO) -> Iterator[bytes | Unreadable]:
    """The events in an error file as compact JSON, in their order, and what is none.

    The numbers in an event stay as they are written. Empty lines are passed over.
    """
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            _skip_the_rest(line, stream)
            yield Unreadable(number, f"it has more than {LONGEST_LINE:,} bytes")
        elif line.strip():
            yield from _events_of(line, number)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the server's workers from writing to the error file `path` meanwhile.

    They lock a file beside it, which is there once one of them has written. Raises `Refused`
    when it cannot be opened.
    """
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDONLY)
    except FileNotFoundError:  # made here, it could belong to somebody whom they may not follow
        yield
        return
    except OSError as error:
        raise Refused(f"cannot lock {path}: {error.strerror}", code="unreadable") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _skip_the_rest(line: bytes, stream: BinaryIO) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(LONGEST_LINE)


def _events_of(line: bytes, number: int) -> Iterator[bytes | Unreadable]:
    try:
        yield from (_checked(event, number) for event in _flat(_json_of(line)))
    except UnicodeDecodeError:
        yield Unreadable(number, "not UTF-8")
    except msgspec.MsgspecError as error:
        yield Unreadable(number, f"not JSON: {error}")
    except RecursionError:
        yield Unreadable(number, "nested too deeply")


def _json_of(line: bytes) -> bytes:
    """What stands behind the time; all of it when there is none, as in a file made by hand."""
    before, tab, after = line.partition(b"\t")
    return after if tab and not before.lstrip().startswith((b"{", b"[")) else line


def _flat(text: bytes) -> list[bytes]:
    """What an array, and arrays in it, hold. Raises what msgspec raises for wrong JSON.

    All of the line is decoded before anything of it is taken.
    """
    if not text.lstrip().startswith(b"["):
        msgspec.json.decode(text)
        return [text]
    inside = msgspec.json.decode(text, type=list[msgspec.Raw])
    return [event for each in inside for event in _flat(bytes(each))]


def _checked(event: bytes, number: int) -> bytes | Unreadable:
    if not event.lstrip().startswith(b"{"):
        return Unreadable(number, "JSON, but not an event (an object)")
    if len(event) > LONGEST_EVENT:
        return Unreadable(number, f"an event has more than {LONGEST_EVENT:,} bytes")
    return msgspec.json.format(event, indent=-1)
