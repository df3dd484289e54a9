"""Events from a file, one a line: all read and checked before the first is published."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

import msgspec

from zcore.errors import Refused
from zops_queue.event_json import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_LINE = 16 * 1024 * 1024  # bytes; also what RabbitMQ takes at most
KEPT_IN_MEMORY = 4 * 1024 * 1024  # bytes


class EventLines:
    """The events in `stream`, which can be read again from its start; `name` is for messages."""

    def __init__(self, stream: BinaryIO, name: str, *, raw: bool) -> None:
        self._stream = stream
        self._name = name
        self._raw = raw

    def check(self) -> int:
        """Read all of it; return how many events there are.

        Raises `Refused`, naming the line, when one is not a JSON object or too long.
        """
        return sum(1 for _ in self.bodies())

    def bodies(self) -> Iterator[bytes]:
        """The events as they are published: compact JSON, or with `raw` the lines as they are.

        Empty lines are passed over, except with `raw`. Raises `Refused` as `check` does.
        """
        for number, line in self._numbered():
            yield line if self._raw else self._event(line, number)

    def payloads(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        """The number of each line and its event, as JSON. Raises `Refused` as `check` does."""
        for number, line in self._numbered():
            yield number, self._payload(line, number)

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        self._stream.seek(0)
        for number, line in enumerate(self._lines(), start=1):
            if self._raw or line.strip():
                yield number, line

    def _lines(self) -> Iterator[bytes]:
        number = 0
        while line := self._stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise self._wrong(number, f"more than {LONGEST_LINE:,} bytes")
            yield line.removesuffix(b"\n")

    def _event(self, line: bytes, number: int) -> bytes:
        self._payload(line, number)
        return msgspec.json.format(line, indent=-1)

    def _payload(self, line: bytes, number: int) -> Mapping[str, object]:
        try:
            return parse(line)
        except ValueError as error:
            raise self._wrong(number, str(error)) from None

    def _wrong(self, number: int, reason: str) -> Refused:
        return Refused(
            f"{self._name}, line {number}: {reason}",
            hint="nothing was published; correct the line, or send lines as they are with --raw",
            code="bad-event",
        )


@contextlib.contextmanager
def open_lines(path: str, *, raw: bool) -> Iterator[EventLines]:
    """The events in the file `path`, or on stdin when it is "-".

    What can be read only once is copied: to memory, or to a temporary file when there is much.
    Raises `Refused` when the file cannot be read.
    """
    name = "stdin" if path == "-" else path
    try:
        with contextlib.ExitStack() as stack:
            stream = cast(
                "BinaryIO",
                sys.stdin.buffer if path == "-" else stack.enter_context(open(path, "rb")),
            )
            if not (path != "-" and stream.seekable()):
                copy = stack.enter_context(tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY))
                shutil.copyfileobj(stream, copy)
                stream = cast("BinaryIO", copy)
            yield EventLines(stream, name, raw=raw)
    except OSError as error:
        raise Refused(f"cannot read {name}: {error.strerror}", code="unreadable") from error
