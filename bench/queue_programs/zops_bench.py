"""A plugin of zops whose workers do nothing, one event at a time; as many as there are queues."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from marks import Marks

from zcore import Worker, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.broker import Event, WorkContext

QUEUES = 13
marks = Marks() if "ZOPS_BENCH_MARKS" in os.environ else None


@hookimpl
def zops_queue_workers() -> list[Worker]:
    """`bench_noop`, and others to make up the number of queues."""
    queues = ["bench_noop", *(f"bench_noop_{number}" for number in range(QUEUES))]
    return [Worker(queue, "zops_bench:handle", "Nothing.") for queue in queues]


def handle(events: Sequence[Event], context: WorkContext) -> None:
    """Nothing."""
    if marks is not None:
        marks.done(len(events))
