"""Does the work go on? And what was done, in numbers: for whoever asks over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore.version import __version__
from zops_queue.watching.meter import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zops_queue.watching.meter import QueueMeter, Readable

# As long as RabbitMQ waits by itself before it takes an event back from a consumer.
STUCK_SECONDS = 1800.0
IDLE_SECONDS = 120.0  # between two looks at a broker that may be slow to answer


@dataclass(frozen=True, slots=True)
class Health:
    """How it goes with one queue; `ok` when it is consumed, or nothing is there to consume."""

    ok: bool
    state: str


def health_of(meter: QueueMeter, now: float) -> Health:
    """How it goes with a queue at `now`, a time of `time.monotonic`."""
    if not meter.connected:
        return Health(False, meter.trouble or "no connection to the broker")
    if meter.waiting:
        return Health(False, f"waits: {meter.waiting}")
    if now - meter.progress > STUCK_SECONDS:
        return Health(False, f"stuck for {now - meter.progress:.0f} s")
    return Health(True, "working" if meter.busy else "idle")


def goes_on(meter: QueueMeter, now: float) -> bool:
    """Does the work go on by itself, so that a new process would do no better?

    Also while it waits for a service, or for the broker: as long as it looks for them.
    """
    most = STUCK_SECONDS if meter.busy else IDLE_SECONDS
    return bool(meter.waiting) or now - meter.progress <= most


def all_health(meters: Readable) -> dict[str, Health]:
    """How it goes, by queue."""
    now = time.monotonic()
    return {meter.queue: health_of(meter, now) for meter in meters.all()}


def exposition(meters: Readable) -> str:
    """All numbers in the text format of Prometheus, version 0.0.4."""
    return "".join(f"{line}\n" for line in _lines(meters))


def _lines(meters: Readable) -> Iterator[str]:
    every = list(meters.all())
    now = time.monotonic()
    yield from _family("zops_info", "gauge", "What runs.", [({"version": __version__}, 1)])
    yield from _family(
        "zops_queue_events_total",
        "counter",
        "Events: processed, retried (to be tried again), dead, repeated (came again, were done).",
        [
            ({"queue": meter.queue, "outcome": outcome}, getattr(meter, outcome))
            for meter in every
            for outcome in OUTCOMES
        ],
    )
    for name, kind, help, value in (
        ("calls_total", "counter", "Calls of the worker, each with a batch of events.", _calls),
        ("call_seconds_total", "counter", "Time spent in these calls.", _seconds),
        ("busy", "gauge", "1 while a call lasts.", _busy),
        ("last_emptied_timestamp_seconds", "gauge", "When nothing was left last.", _emptied),
    ):
        yield from _by_queue(f"zops_queue_{name}", kind, help, every, value)
    yield from _by_queue(
        "zops_queue_healthy",
        "gauge",
        "1 when the queue is consumed, or nothing is there to consume.",
        every,
        lambda meter: health_of(meter, now).ok,
    )


def _calls(meter: QueueMeter) -> float:
    return meter.calls


def _seconds(meter: QueueMeter) -> float:
    return meter.seconds


def _busy(meter: QueueMeter) -> float:
    return meter.busy


def _emptied(meter: QueueMeter) -> float:
    return meter.emptied


def _by_queue(
    name: str,
    kind: str,
    help: str,
    meters: Iterable[QueueMeter],
    value: Callable[[QueueMeter], float],
) -> Iterator[str]:
    samples = [({"queue": meter.queue}, value(meter)) for meter in meters]
    return _family(name, kind, help, samples)


def _family(
    name: str, kind: str, help: str, samples: Iterable[tuple[dict[str, str], float]]
) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{shown}}} {float(value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
