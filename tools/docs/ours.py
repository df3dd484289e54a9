"""The plugins that are described: ours, whatever else is installed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import Distribution, entry_points

from zcore.builtin import COMMANDS
from zcore.plugin_loading import GROUP
from zcore.plugin_record import OWN_DISTRIBUTION
from zcore.plugins import Plugins


@cache
def our_plugins() -> Plugins:
    """Loaded. Raises `RuntimeError` when there is anything to warn of."""
    installed = entry_points(group=GROUP)
    others = [point.name for point in installed if not (point.dist and _is_ours(point.dist))]
    return Plugins.load(disabled=others, core_commands=COMMANDS, warn=_fail)


def our_names() -> list[str]:
    """The names of our plugins."""
    return [info.name for info in our_plugins().infos if info.status == "active"]


def _is_ours(distribution: Distribution) -> bool:
    return distribution.name == OWN_DISTRIBUTION


def _fail(warning: str) -> None:
    raise RuntimeError(warning)
