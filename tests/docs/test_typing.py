"""What authors write has types: mypy --strict, from outside, against the installed package."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import zcore
from tests.docs.packages import write
from tests.docs.pages import PLUGIN_DOCS
from tools.docs.examples import files

TYPED_EXAMPLE = Path(__file__).with_name("typed_example.py")


def mypy(installed: Path, folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental"]
    command += ["--python-executable", str(installed / "bin" / "python"), *targets]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_public_api_and_the_tutorial(installed: Path, tmp_path: Path) -> None:
    shutil.copy(TYPED_EXAMPLE, tmp_path / "typed_example.py")
    shown = files((PLUGIN_DOCS / "tutorial.md").read_text())
    write({"zops_seats/__init__.py": ""}, tmp_path)
    write({name: text for name, text in shown.items() if name.startswith("zops_")}, tmp_path)
    (tmp_path / "wrong.py").write_text("from zcore import Command\n\nCommand(1, 'x:y', 'help')\n")
    done = mypy(installed, tmp_path, "typed_example.py", "zops_seats", "wrong.py")
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.partition(":")[0] for line in found] == ["wrong.py"], done.stdout + done.stderr
    assert "arg-type" in found[0]


def test_the_example_uses_every_public_name() -> None:
    used = {
        getattr(node, "id", None) or getattr(node, "attr", None)
        for node in ast.walk(ast.parse(TYPED_EXAMPLE.read_text()))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    assert {*zcore.__all__} - used == set()
