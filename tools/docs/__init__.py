"""Writes the pages of `docs/` that follow from the code: `make docs`.

Each page is a function that gives its text (`tools.docs.pages`). The text is the same on every
machine: no date, no path, no width of a terminal, and of the installed plugins only our own.
"""

from __future__ import annotations
