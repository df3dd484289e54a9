"""Throw-away plugins: real distributions on disk, found by the real command."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.commands import Completed, Zops


class InstalledPlugins:
    """Makes distributions in a folder that the command `zops` of this test looks into."""

    def __init__(self, folder: Path, zops: Zops) -> None:
        self.folder = folder
        folder.mkdir()
        zops.environment["PYTHONPATH"] = str(folder)

    def install(
        self,
        name: str,
        source: str,
        *,
        distribution: str | None = None,
        version: str = "1.0",
        value: str | None = None,
        **modules: str,
    ) -> None:
        """Install a plugin `name` whose module has this `source`; and `modules` beside it."""
        distribution = distribution or f"dist-of-{name}"
        package = distribution.replace("-", "_")
        module = self.folder / package
        module.mkdir()
        (module / "__init__.py").touch()
        for file, text in {"plugin": source, **modules}.items():
            (module / f"{file}.py").write_text(textwrap.dedent(text))
        information = self.folder / f"{package}-{version}.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (information / "METADATA").write_text(metadata)
        entry_points = f"[zops]\n{name} = {value or f'{package}.plugin'}\n"
        (information / "entry_points.txt").write_text(entry_points)

    def install_command(self, name: str, body: str, *, imports: str = "") -> None:
        """Install a plugin `name` with one command of that name, whose function has this body."""
        package = f"dist_of_{name}".replace("-", "_")
        self.install(
            name,
            f"""
            from zcore import Command, hookimpl

            @hookimpl
            def zops_commands():
                return [Command({name!r}, "{package}.cli:command", "A command for tests.")]
            """,
            cli=f"import click\nimport zcore\n{imports}\n\n"
            f"@click.command()\ndef command():\n{textwrap.indent(textwrap.dedent(body), '    ')}",
        )


@pytest.fixture
def plugins(tmp_path: Path, zops: Zops) -> InstalledPlugins:
    """Installs throw-away plugins for the command `zops` of this test."""
    return InstalledPlugins(tmp_path / "site", zops)


def warnings(completed: Completed) -> list[str]:
    """The warnings of a run, one line each."""
    return [line for line in completed.stderr.splitlines() if line.startswith("zops: warning: ")]


@pytest.fixture(name="warnings")
def warnings_function() -> object:
    """The function `warnings`."""
    return warnings
