"""Places where a test lets the process die, as if it had been killed there.

`ZOPS_CRASH_AT` names one of them. Nothing is flushed, closed or taken back.
"""

from __future__ import annotations

import os

VARIABLE = "ZOPS_CRASH_AT"
CRASHED = 137  # what a shell says of a process that was killed


def crash_point(name: str) -> None:
    """End the process at once when `name` is where it is to die."""
    if os.environ.get(VARIABLE) == name:
        os._exit(CRASHED)
