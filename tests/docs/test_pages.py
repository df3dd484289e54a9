"""Links lead somewhere, commands exist, and code blocks are of kinds that tests run."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import PAGES, blocks_of, name_of
from tests.docs.shell import typed
from tests.environments import ROOT
from tools.docs.commands import below, top_context
from tools.docs.markdown import anchor
from zcore.global_options import parse_global_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)([^)\s]+)\)")
LANGUAGES = {"python", "toml", "console", "sh", "text", "json"}

# Pages with Python, and who runs it
RUN_BY = {
    "docs/leases.md": "test_other_examples.py",
    "docs/plugins/hooks.md": "test_hook_examples.py",
    "docs/plugins/recipes.md": "test_recipes.py",
    "docs/plugins/tutorial.md": "test_tutorial.py",
    "docs/plugins/README.md": "test_other_examples.py",
    "docs/plugins/testing.md": "test_other_examples.py",
    "docs/plugins/versioning.md": "test_other_examples.py",
}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        place, _, heading = target.partition("#")
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"{name_of(page)} links to {target}"
        assert found.is_relative_to(ROOT)
        if heading:
            assert heading in anchors(found), f"{name_of(page)} links to {target}"


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"(?m)^#+ (.*)$", page.read_text("utf-8"))}


def test_every_page_can_be_reached() -> None:
    """From the README, by links."""
    seen, waiting = set[str](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if name_of(page) not in seen:
            seen.add(name_of(page))
            links = (link.partition("#")[0] for link in LINK.findall(page.read_text("utf-8")))
            waiting += [(page.parent / link).resolve() for link in links if link.endswith(".md")]
    assert seen == {name_of(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_blocks_say_what_they_are(page: Path) -> None:
    opened = re.findall(r"(?m)^```(.*)$", page.read_text("utf-8"))[::2]
    assert set(opened) <= LANGUAGES
    if blocks_of(page, "python"):
        assert (ROOT / "tests" / "docs" / RUN_BY[name_of(page)]).exists()
        assert all(block.path for block in blocks_of(page, "python")), "which file is it?"


def command_lines() -> Iterator[tuple[str, str]]:
    """Each line with `zops` in blocks that are shown but not run, with where it stands."""
    for page in PAGES:
        shown = [block for block in blocks_of(page, "sh") if "zops" in block.text]
        for block in shown:
            for line in block.text.splitlines():
                if line.startswith("zops "):
                    yield f"{name_of(page)}:{block.line}", line
        for block in blocks_of(page, "console"):
            for one in typed(block.text):
                if one.command.startswith("zops "):
                    yield f"{name_of(page)}:{block.line}", one.command


COMMANDS = {context.command_path: context for context in below(top_context())}


@pytest.mark.parametrize(("place", "line"), sorted(set(command_lines())))
def test_command_lines_are_ones_that_zops_takes(place: str, line: str) -> None:
    """They are parsed, not run: some need a server."""
    words = shlex.split(re.split(r" [|>] ", line)[0], comments=True)[1:]
    rest = [word for word in parse_global_options(words).rest if word != "--json"]
    path = "zops"
    while rest and f"{path} {rest[0]}" in COMMANDS:
        path += f" {rest.pop(0)}"
    assert path in COMMANDS, f"{place}: no command in {line!r}"
    context = COMMANDS[path]
    context.command.make_context(context.info_name, rest, parent=context.parent)
