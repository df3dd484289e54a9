"""Rows of the queue file as deliveries."""

from __future__ import annotations

from datetime import datetime

from zcore.broker import Delivery


def delivery_of(queue: str, row: tuple[int, bytes, int, int, str]) -> Delivery:
    """What a consumer gets of an event: id, body, attempts, redelivered, first_seen."""
    number, body, attempts, again, first_seen = row
    return Delivery(
        queue=queue,
        body=body,
        tag=number,
        attempts=attempts,
        redelivered=bool(again),
        first_seen=time_of(first_seen),
    )


def time_of(text: str) -> datetime | None:
    """A time as it stands in the file."""
    return datetime.fromisoformat(text) if text else None
