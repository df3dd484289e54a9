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
    "import_kills",
    "fuzz_import",
    "verify",
    "queue",
    "poison",
    "queue_chaos",
)


def main() -> int:
    """Run them one after the other; the highest of their exit codes."""
    chosen = sys.argv[1:] or BENCHMARKS
    codes = [
        # as modules: run as a file, bench/ would come first on the path, and hide Python's `queue`
        subprocess.run(
            [sys.executable, "-m", f"bench.{name}"], check=False, cwd=FOLDER.parent
        ).returncode
        for name in chosen
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
