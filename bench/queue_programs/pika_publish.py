"""Publish with pika and its confirmations, which come one by one: pika_publish.py QUEUE"""

from __future__ import annotations

import os
import sys

import pika
from marks import Marks

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def publish(queue: str) -> None:
    """Publish as many as are measured."""
    marks = Marks()
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["ZOPS_BENCH_BROKER"]))
    channel = connection.channel()
    channel.queue_declare(queue, durable=True)
    channel.confirm_delivery()
    for number in range(int(os.environ["ZOPS_BENCH_EVENTS"])):
        channel.basic_publish("", queue, b'{"n":%d}' % number, PERSISTENT, mandatory=True)
        marks.done()
    connection.close()


if __name__ == "__main__":
    publish(sys.argv[1])
