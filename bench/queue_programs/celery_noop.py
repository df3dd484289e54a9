"""A task that does nothing, for celery: `publish()` queues it, `celery -A celery_noop` does it."""

from __future__ import annotations

import os

from celery import Celery
from marks import Marks

app = Celery("celery_noop", broker=os.environ["ZOPS_BENCH_BROKER"])
app.conf.update(
    task_acks_late=True,  # when the work is done, as the others do
    task_default_queue="bench_celery",
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ["ZOPS_BENCH_PREFETCH"]),
)
marks = Marks()


@app.task
def noop(n: int) -> None:
    """Nothing."""
    marks.done()


def publish() -> None:
    """Queue it as often as is measured."""
    for number in range(int(os.environ["ZOPS_BENCH_EVENTS"])):
        noop.delay(number)


if __name__ == "__main__":
    publish()
