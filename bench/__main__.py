"""Runs every benchmark, or those named: `python -m bench [startup|memory|creation|export|...]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
BENCHMARKS = (
    "startup",
    "memory",
    "creation",
    "bulk_users",
    "export",
    "export_kills",
    "import",
    "verify",
)


def main() -> int:
    """Run them one after the other; the highest of their exit codes."""
    chosen = sys.argv[1:] or BENCHMARKS
    codes = [
        subprocess.run([sys.executable, FOLDER / f"{name}.py"], check=False).returncode
        for name in chosen
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
