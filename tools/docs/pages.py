"""The generated pages, and whether they are as the code is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.docs import api, commands, exit_codes, hooks, modules, settings

ROOT = Path(__file__).resolve().parents[2]

PAGES: dict[str, Callable[[], str]] = {
    "docs/plugins/hooks.md": hooks.page,
    "docs/plugins/api.md": api.page,
    "docs/plugins/modules.md": modules.page,
    "docs/reference/commands.md": commands.page,
    "docs/reference/settings.md": settings.page,
    "docs/reference/exit-codes.md": exit_codes.page,
}


def stale() -> list[Path]:
    """The pages whose text is not what the code gives."""
    return [path for path, text in _pages() if not path.exists() or path.read_text() != text]


def write() -> list[Path]:
    """Write the pages that are not current, and return them."""
    written = []
    for path, text in _pages():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            written.append(path)
    return written


def _pages() -> list[tuple[Path, str]]:
    return [(ROOT / name, page()) for name, page in PAGES.items()]
