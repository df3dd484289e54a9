"""The entry point of the program `zops`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zcore.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `zops` with `arguments` (those of this process when None). Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments == ["--version"]:  # answered before anything is imported
        sys.stdout.write(f"zops {__version__}\n")
        return 0
    from zcore.program import run

    return run(arguments)
