"""`zops settings`."""

from __future__ import annotations

import click

from zcore.console import table
from zcore.context import current
from zcore.values import Result


@click.command()
def settings() -> Result:
    """Show every setting, its value, and what gave it. Secrets are masked."""
    found = current().settings
    rows = [row for row in found.rows() if row.value or row.origin != "default"]
    text = table(("SETTING", "VALUE", "FROM"), rows)
    notes = [*found.problems, *found.unread]
    if notes:
        text += "\n\nNot read or not used:\n" + "\n".join(f"  {note}" for note in notes)
    return Result(
        {"settings": [row._asdict() for row in found.rows()], "problems": notes}, text=text
    )
