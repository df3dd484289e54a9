"""The entry point of the program `zops`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from zcore.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMPLETION = "_ZOPS_COMPLETE"  # what a shell sets when it asks for completions


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
    if arguments == ["--version"]:  # answered before anything heavier is imported
        return _version()
    if COMPLETION in os.environ:
        from zcore.completion import answer

        return answer(os.environ[COMPLETION])
    from zcore.program import run

    return run(arguments)


def _version() -> int:
    try:
        sys.stdout.write(f"zops {__version__}\n")
        sys.stdout.flush()
    except OSError as error:
        from zcore.streams import not_written

        return not_written(error)
    return 0
