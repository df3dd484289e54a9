"""What is published to the server: an event, and the accounts whose clients are to get it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Notice:
    """An event for the clients of `users`."""

    event: Json
    users: tuple[int, ...]

    @classmethod
    def to(cls, users: Iterable[int], **event: object) -> Notice:
        """The event with these fields, `type` and `op` first, to `users` in order."""
        return cls(event, tuple(sorted(users)))
