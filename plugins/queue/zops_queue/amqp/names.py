"""The names of our own queues in RabbitMQ, beside those of the server.

For a queue `q` there are, made when first needed,

* `zops.dead.q`: its dead letters, with the reason in the headers,
* `zops.retry.5s.q` and its like: where an event waits for its next attempt. Nobody consumes
  them; RabbitMQ itself moves what has waited long enough back to `q`.

No queue of the server begins with `zops.`. There is one retry queue for each of a few lengths of
time, because RabbitMQ looks only at the head of a queue for what has waited long enough: among
events that wait about equally long nobody waits for a much slower one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "zops."
DELAY_STEPS = (1, 5, 30, 300, 1800)  # seconds

ATTEMPTS = "x-zops-attempts"
ERROR = "x-zops-error"
TRACEBACK = "x-zops-traceback"
HOST = "x-zops-host"
WORKER = "x-zops-worker"
TIME = "x-zops-time"
FIRST_SEEN = "x-zops-first-seen"
BEGUN = "x-zops-begun"  # somebody may have: a copy is never marked as redelivered


def dead_queue(queue: str) -> str:
    """Where the dead letters of `queue` are kept."""
    return f"{PREFIX}dead.{queue}"


def retry_queue(queue: str, step: int) -> str:
    """Where events of `queue` wait for at most `step` seconds."""
    return f"{PREFIX}retry.{step}s.{queue}"


def step_for(seconds: float) -> int:
    """The shortest of the steps in which `seconds` fit; the longest when none is long enough."""
    return next((step for step in DELAY_STEPS if step >= seconds), DELAY_STEPS[-1])


def retry_arguments(queue: str, step: int) -> dict[str, object]:
    """The arguments that make a retry queue: wait, then go back to `queue`."""
    return {
        "x-message-ttl": step * 1000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
    }


def count_of(headers: Mapping[str, object] | None, name: str) -> int:
    """A number from the headers of a message; 0 when there is none."""
    value = (headers or {}).get(name)
    return value if isinstance(value, int) else 0


def text_of(headers: Mapping[str, object] | None, name: str) -> str:
    """A text from the headers of a message; "" when there is none."""
    value = (headers or {}).get(name)
    return value if isinstance(value, str) else ""


def time_of(headers: Mapping[str, object] | None, name: str) -> datetime | None:
    """A time from the headers of a message; None when there is none."""
    text = text_of(headers, name)
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:  # not one of ours
        return None
