"""Markdown out of docstrings and values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `make docs` from the code; do not edit. -->"
RULE = re.compile(r"=+( +=+)+")


def page(title: str, *parts: str) -> str:
    """A generated page."""
    return "\n\n".join([GENERATED, f"# {title}", *(part.strip() for part in parts if part)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; text in cells may hold anything but line ends."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: str) -> str:
    """`text` as code in a sentence or a cell; nothing for nothing."""
    return f"`{text}`" if text else ""


def fence(language: str, text: str) -> str:
    """`text` as a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def anchor(heading: str) -> str:
    """What a link to a heading says."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(text: str, heading: str = "") -> str:
    """A link to a heading of the same page."""
    return f"[{text}](#{anchor(heading or text)})"


def prose(docstring: str | None) -> str:
    """A docstring as it stands in a page, without its example. Tables become Markdown's."""
    text, _, _ = inspect.cleandoc(docstring or "").partition("Example::")
    paragraphs = [part for part in text.strip().split("\n\n") if part]
    return "\n\n".join(_paragraph(part) for part in paragraphs)


def summary(docstring: str | None) -> str:
    """The first sentence of a docstring, on one line."""
    first = prose(docstring).partition("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.) ", first)[0]


def one_line(docstring: str | None) -> str:
    """A whole docstring on one line, for a cell."""
    return " ".join(prose(docstring).split())


def _paragraph(text: str) -> str:
    lines = text.split("\n")
    if not RULE.fullmatch(lines[0]):
        return text
    rows = [re.split(r" {2,}", line, maxsplit=1) for line in lines if not RULE.fullmatch(line)]
    return table(("", ""), rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
