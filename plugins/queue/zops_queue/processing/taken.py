"""What came of asking for the leases on events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from zcore.broker import Event

Outbox = list[tuple[str, bytes]]
"""What is to be published: the queue and the body of each event."""


class Taken(NamedTuple):
    """`ours` are to be worked on. `done` have had their effect. `held` are worked on elsewhere.

    With those that are done is what they want published, and what may not have been.
    """

    ours: list[Event]
    done: list[tuple[Event, Outbox]]
    held: list[Event]
