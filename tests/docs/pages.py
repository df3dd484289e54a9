"""The pages there are, and what is in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.environments import ROOT
from tools.docs.examples import Block, blocks

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN_DOCS = ROOT / "docs" / "plugins"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")],
)


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path, *languages: str) -> list[Block]:
    """The blocks of code of a page in one of these languages."""
    return [block for block in blocks(page.read_text("utf-8")) if block.language in languages]


def sections(page: Path) -> dict[str, str]:
    """What is below each heading of the second level, by the heading."""
    parts = re.split(r"(?m)^## (.*)\n", page.read_text("utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))
