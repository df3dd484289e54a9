"""`python -m tools.docs` writes the generated pages; `--check` only says which are not current."""

from __future__ import annotations

import sys

from tools.docs.pages import ROOT, stale, write


def main(arguments: list[str]) -> int:
    """Returns the exit code: 1 when `--check` found a page that is not current."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m tools.docs [--check]\n")
        return 2
    old = stale()
    if arguments:
        for page in old:
            sys.stderr.write(f"{page.relative_to(ROOT)} is not current: run 'make docs'\n")
        return 1 if old else 0
    for page in write():
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
