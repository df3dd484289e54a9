"""The entry point of the program `zops`."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from zcore.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETION = "_ZOPS_COMPLETE"  # what a shell sets when it asks for completions
OBJECTS_BETWEEN_COLLECTIONS = 20_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `zops` with `arguments` (those of this process when None). Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # before, or after, there is anything that handles it
        return 130


def _run(arguments: Sequence[str]) -> int:
    from zcore.streams import open_closed_streams

    open_closed_streams()
    _spare_collections()
    if arguments == ["--version"]:  # answered before anything heavier is imported
        return _version()
    if COMPLETION in os.environ:
        from zcore.completion import answer

        return answer(os.environ[COMPLETION])
    # until it is known whether the command wants to hear of them
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR1))
    try:
        from zcore.program import run

        return run(arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _spare_collections() -> None:
    """Seldom look for garbage, and not at the end: what a command imports stays until then.

    The interpreter looks through all of it several times otherwise, the last time when it ends;
    for a command that needs SQLAlchemy that is a fifth of a second.
    """
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)


def _version() -> int:
    try:
        sys.stdout.write(f"zops {__version__}\n")
        sys.stdout.flush()
    except OSError as error:
        from zcore.streams import not_written

        return not_written(error)
    return 0
