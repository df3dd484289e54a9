"""Nothing, on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.broker import Event, WorkContext


def handle(events: Sequence[Event], context: WorkContext) -> None:
    """Do nothing with `events`."""
