"""The three standard streams of this process, held by files for a while.

The descriptors are replaced, not only Python's objects: what a child process or a C library
writes is held, too, and whatever captures the output of the tests meanwhile is left alone.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = tempfile.gettempdir()  # before a test has another idea of it
MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of their descriptors


@dataclass(slots=True)
class Held:
    """What was written to stdout and stderr; there once the streams are as they were."""

    out: bytes = b""
    err: bytes = b""


@contextmanager
def captured(stdin: bytes) -> Iterator[Held]:
    """Give whatever runs inside `stdin` to read, and hold what it writes."""
    held = Held()
    with ExitStack() as files:
        given, out, err = (files.enter_context(tempfile.TemporaryFile(dir=FOLDER)) for _ in MODES)
        given.write(stdin)
        given.seek(0)
        with ExitStack() as streams:
            for number, (name, file) in enumerate(zip(MODES, (given, out, err), strict=True)):
                streams.enter_context(_stream_on(name, number, file))
            yield held
        held.out, held.err = _content(out), _content(err)


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@contextmanager
def _stream_on(name: str, number: int, file: IO[bytes]) -> Iterator[None]:
    """Let descriptor `number`, and `sys.<name>` above it, be `file` while inside."""
    old: TextIO = getattr(sys, name)
    if name != "stdin":
        old.flush()
    saved = os.dup(number)
    os.dup2(file.fileno(), number)
    stream = open(number, MODES[name], encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 # closed below
    setattr(sys, name, stream)
    try:
        yield
    finally:
        setattr(sys, name, old)
        with contextlib.suppress(OSError, ValueError):
            stream.close()
        os.dup2(saved, number)
        os.close(saved)
