"""An actor that does nothing, for dramatiq: `publish()` queues it, `dramatiq` does it."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from marks import Marks

dramatiq.set_broker(RabbitmqBroker(url=os.environ["ZOPS_BENCH_BROKER"]))
marks = Marks()


@dramatiq.actor(queue_name="bench_dramatiq")
def noop(n: int) -> None:
    """Nothing."""
    marks.done()


def publish() -> None:
    """Queue it as often as is measured."""
    for number in range(int(os.environ["ZOPS_BENCH_EVENTS"])):
        noop.send(number)


if __name__ == "__main__":
    publish()
