"""A RabbitMQ that is short of memory, or takes events back: what goes on, and what waits."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.zops_queue.places import Recorder, impatient, workplace
from tests.zops_queue.receiving import until
from tests.zops_queue.test_processing import events, state
from zcore.testing.rabbitmq import PrivateRabbitMQ
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.processing.handling import ServiceGone
from zops_queue.processing.runner import run
from zops_queue.processing.workplace import Options, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.broker import Event, WorkContext
    from zcore.testing.rabbitmq import RabbitMQServer
    from zops_queue.processing.workplace import Workplace
    from zops_queue.registry import LoadedWorker

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def node(rabbitmq_server: RabbitMQServer) -> PrivateRabbitMQ:
    if not isinstance(rabbitmq_server, PrivateRabbitMQ):
        pytest.skip("somebody else's RabbitMQ is not to be brought into need")
    return rabbitmq_server


@contextmanager
def working(worker: LoadedWorker, place: Workplace) -> Iterator[list[Tally]]:
    """While inside, `worker` works in a thread; what it has done by then."""
    tallies: list[Tally] = []
    thread = threading.Thread(target=lambda: tallies.append(run([worker], place)))
    thread.start()
    try:
        yield tallies
    finally:
        place.stop.set()
        thread.join(30)


def test_an_alarm_stops_only_what_is_to_be_tried_again(
    node: PrivateRabbitMQ, rabbitmq_url: str, queue: str
) -> None:
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, [*events(range(6), bad=[1, 3]), b"no event"])
    recorder = Recorder(queue)
    place = workplace(lambda: AmqpBroker(rabbitmq_url), options=Options())
    meter = place.meters.of(queue)
    with ExitStack() as alarm:
        alarm.enter_context(node.short_of_memory())
        with working(recorder.loaded, place):
            until(lambda: recorder.done == [0, 2, 4, 5])
            until(lambda: "short of memory or disk" in meter.waiting)
            assert state(broker, queue).dead == 0
            alarm.close()
            until(lambda: state(broker, queue).dead == 3, 30)
            until(lambda: not meter.waiting)
    assert recorder.done == [0, 2, 4, 5]
    assert (meter.processed, meter.retried, meter.dead) == (4, 4, 3)
    assert state(broker, queue).ready == state(broker, queue).delayed == 0
    broker.close()


def test_draining_does_not_wait_for_ever_for_the_end_of_an_alarm(
    node: PrivateRabbitMQ, rabbitmq_url: str, queue: str
) -> None:
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, events(range(4), bad=[0, 1]))
    place = impatient(workplace(lambda: AmqpBroker(rabbitmq_url)))
    with node.short_of_memory(), pytest.raises(ServiceGone, match="short of memory"):
        run([Recorder(queue).loaded], place)
    until(lambda: state(broker, queue).ready + state(broker, queue).delayed >= 2)
    broker.close()


def test_an_event_that_takes_longer_than_rabbitmq_waits_stops_nothing(
    node: PrivateRabbitMQ, rabbitmq_url: str, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """RabbitMQ closes the channel, and gives the event to the next one who comes."""
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, events(range(3)))
    recorder = Recorder(queue)
    has_come_back = threading.Event()

    def take_long(events: Sequence[Event], context: WorkContext) -> None:
        if not has_come_back.is_set():
            until(lambda: state(broker, queue).ready == 3, 60)
            has_come_back.set()

    recorder.before = take_long
    place = workplace(lambda: AmqpBroker(rabbitmq_url), options=Options())
    with node.taking_back_after(1), working(recorder.loaded, place):
        until(lambda: len(recorder.done) == 4, 60)
    assert recorder.done == [0, 0, 1, 2]  # without a lease, twice
    assert "timed out" in capsys.readouterr().err
    assert state(broker, queue).ready == 0
    broker.close()
