"""The tutorial, from its first line to its last command, as a reader does it."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.docs.packages import write
from tests.docs.pages import PLUGIN_DOCS, blocks_of
from tests.docs.shell import Shell, typed
from tests.environments import WITHOUT_INDEX, add_zops
from tools.docs.examples import files

if TYPE_CHECKING:
    from pathlib import Path

TUTORIAL = PLUGIN_DOCS / "tutorial.md"
MAKES_THE_ENVIRONMENT = "python3 -m venv .venv"


def test_its_first_line_says_what_to_depend_on() -> None:
    lines = [line for line in TUTORIAL.read_text().splitlines() if line]
    assert lines[1].startswith("Depend on `zops-cli`.")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a reader with the Python that the tests have, and an index that has zops-cli alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZOPS_")}
    return kept | WITHOUT_INDEX | {"HOME": str(tmp_path / "home"), "LANG": "C.UTF-8"}


def test_it_works_as_it_says(tmp_path: Path, environment: dict[str, str], wheel: Path) -> None:
    folder = tmp_path / "seats"
    write(files(TUTORIAL.read_text()), folder)
    commands = [one for block in blocks_of(TUTORIAL, "console") for one in typed(block.text)]
    assert MAKES_THE_ENVIRONMENT in [one.command for one in commands]
    with Shell(folder, environment) as shell:
        for one in commands:
            shell.check(one)
            if one.command == MAKES_THE_ENVIRONMENT:
                add_zops(folder / ".venv", wheel)
    with zipfile.ZipFile(folder / "dist" / "zops_seats-1.0-py3-none-any.whl") as built:
        assert {"zops_seats/plugin.py", "zops_seats/py.typed"} <= {*built.namelist()}
        entry_points = built.read("zops_seats-1.0.dist-info/entry_points.txt").decode()
    assert entry_points == "[zops]\nseats = zops_seats.plugin\n"
