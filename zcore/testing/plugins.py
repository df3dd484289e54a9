"""Plugins made on the spot, for one test.

`plugins_of` and `hooks` need no package: for code that is called with `zcore.plugins.Plugins`.
`TemporaryPlugins` makes real distributions on disk, which `zops` finds as it finds any other.
"""

from __future__ import annotations

import os
import textwrap
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING

from zcore.hookspecs import hookimpl
from zcore.plugin_record import PluginRecord
from zcore.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from pathlib import Path

    from zcore.plugins import Warn


def plugins_of(
    plugins: Mapping[str, object], *, warn: Warn = lambda text: None, ours: bool = False
) -> Plugins:
    """The plugins of a run, by name: modules, or what `hooks` makes.

    With `ours`, zops's own installed plugins are there as well.
    """
    from zcore.plugin_loading import discover, load

    records = [record for record in discover(()) if ours and record.is_ours]
    load(records)
    for name, plugin in plugins.items():
        record = PluginRecord(name, EntryPoint(name, f"plugin_of_a_test_{name}", "zops"))
        record.plugin = plugin
        records.append(record)
    records.sort(key=lambda record: record.name)
    found = Plugins(records, (), warn)
    found.warn_of_all()
    return found


def hooks(**functions: Callable[..., object]) -> object:
    """A plugin that implements these hooks, by name."""
    for function in functions.values():
        hookimpl(function)
    return SimpleNamespace(**functions)


class TemporaryPlugins:
    """Distributions in `folder`, which goes onto the `PYTHONPATH` of `environment`.

    That is the environment of runs of `zops`, in process or not.
    """

    def __init__(self, folder: Path, environment: MutableMapping[str, str]) -> None:
        self.folder = folder
        folder.mkdir()
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{folder}{os.pathsep}{others}" if others else str(folder)

    def install(
        self,
        name: str,
        source: str = "",
        *,
        distribution: str | None = None,
        version: str = "1.0",
        value: str | None = None,
        **modules: str,
    ) -> str:
        """Install a plugin `name`, whose module `plugin` has this `source`; and `modules` beside.

        Returns the name of the package that they are in: `dist_of_NAME`, or as `distribution`
        says. `value` is what the entry point names, when not that module.
        """
        distribution = distribution or f"dist-of-{name}"
        package = distribution.replace("-", "_")
        self._write_modules(package, {"plugin": source, **modules})
        information = self.folder / f"{package}-{version}.dist-info"
        information.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (information / "METADATA").write_text(metadata)
        entry_points = f"[zops]\n{name} = {value or f'{package}.plugin'}\n"
        (information / "entry_points.txt").write_text(entry_points)
        return package

    def install_command(self, name: str, body: str, *, imports: str = "") -> None:
        """Install a plugin `name` with one command of that name, whose function has this body.

        `click` and `zcore` are imported, and what the lines `imports` say.
        """
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

    def _write_modules(self, package: str, modules: Mapping[str, str]) -> None:
        folder = self.folder / package
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, source in modules.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(source))
