"""Runs every benchmark, or the named ones: `python -m bench [startup|memory|export|import]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
BENCHMARKS = ("startup", "memory", "export", "import")


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
