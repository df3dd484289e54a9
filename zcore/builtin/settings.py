"""`zops settings`."""

from __future__ import annotations

import os

import click

from zcore.console import table
from zcore.context import current
from zcore.plugin_settings import rows, unknown_keys
from zcore.values import Result


@click.command()
def settings() -> Result:
    """Show every setting, its value, and what gave it. Secrets are masked.

    The settings of plugins are named after their place in zops.toml.

    \b
    Examples:
      zops settings
      zops --config /etc/zops/test.toml settings --json
    """
    context = current()
    found = context.settings
    everything = [*found.rows(), *rows(context.plugins, found, os.environ)]
    shown = [row for row in everything if row.value or row.origin != "default"]
    text = table(("SETTING", "VALUE", "FROM"), shown)
    unknown = unknown_keys(context.plugins, found)
    notes = [*found.problems, *(f"{key} is no setting" for key in unknown), *found.unread]
    if notes:
        text += "\n\nNot read or not used:\n" + "\n".join(f"  {note}" for note in notes)
    return Result({"settings": [row._asdict() for row in everything], "problems": notes}, text=text)
