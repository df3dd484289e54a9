"""`zops` as a click command: the global options and the commands of core and plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.commands import CommandGroup
from zcore.global_options import declared_options

if TYPE_CHECKING:
    from zcore.plugins import Plugins

PROGRAM = "zops"


def command_line(plugins: Plugins) -> CommandGroup:
    """The whole command line; nothing that a command stands for is imported yet."""
    return CommandGroup(
        plugins,
        name=PROGRAM,
        params=declared_options(),
        help="Tools for people who run Zulip organizations.",
        epilog="'zops COMMAND --help' tells more about a command.",
    )
