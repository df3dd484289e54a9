"""The core's own commands: `Command` values like those of any plugin."""

from __future__ import annotations

from zcore.values import Command

GROUP = "zops itself"

COMMANDS = (
    Command(
        "completion",
        "zcore.builtin.completion:completion",
        "Let a shell complete command lines.",
        GROUP,
    ),
    Command("db", "zcore.builtin.database:db", "Make or check the database's tables.", GROUP),
    Command(
        "doctor",
        "zcore.builtin.doctor:doctor",
        "Look for what is wrong here.",
        GROUP,
    ),
    Command("plugins", "zcore.builtin.plugins:plugins", "See the installed plugins.", GROUP),
    Command(
        "settings", "zcore.builtin.settings:settings", "See all settings, and their origin.", GROUP
    ),
)
