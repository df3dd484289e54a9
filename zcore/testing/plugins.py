"""Plugins made on the spot, for one test: hooks without a package to install."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING

from zcore.hookspecs import hookimpl
from zcore.plugin_record import PluginRecord
from zcore.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
