"""Workers that ask for the running command: one is made, with the test's database."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zcore.console import Console
from zcore.context import Context, _current
from zcore.testing.plugins import plugins_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.database import Database
    from zcore.settings import Settings


@contextmanager
def as_command(database: Database, settings: Settings) -> Iterator[Context]:
    """While inside, `zcore.current()` is a command with these."""
    context = Context(settings, Console(), plugins_of({}))
    context.__dict__["database"] = database  # as if it was connected already
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
