"""How much memory a process uses."""

from __future__ import annotations

import os
import resource
from pathlib import Path

MEBIBYTE = 1024 * 1024
RESIDENT = 1  # the field of /proc/PID/statm, in pages


def resident_bytes(process: int) -> int:
    """What `process` has in memory now; 0 when that cannot be known.

    Without /proc, of this process the most that it ever had.
    """
    try:
        fields = Path(f"/proc/{process}/statm").read_text("ascii").split()
        return int(fields[RESIDENT]) * resource.getpagesize()
    except OSError:
        return _peak() if process == os.getpid() else 0


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024
