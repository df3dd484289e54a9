"""The least that a consumer with pika can do: take events, acknowledge them in batches.

    pika_consume.py QUEUE BATCH

One event at a time is a batch of 1.
"""

from __future__ import annotations

import os
import sys

import pika
from marks import Marks


def consume(queue: str, batch: int) -> None:
    """Take and acknowledge as many as are measured."""
    left = int(os.environ["ZOPS_BENCH_EVENTS"])
    marks = Marks()
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["ZOPS_BENCH_BROKER"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=int(os.environ["ZOPS_BENCH_PREFETCH"]))

    def take(
        _channel: object, method: pika.spec.Basic.Deliver, _properties: object, _: bytes
    ) -> None:
        nonlocal left
        left -= 1
        if left % batch == 0:
            channel.basic_ack(method.delivery_tag, multiple=True)
        marks.done()
        if not left:
            channel.stop_consuming()

    channel.basic_consume(queue, take)
    channel.start_consuming()
    connection.close()


if __name__ == "__main__":
    consume(sys.argv[1], int(sys.argv[2]))
