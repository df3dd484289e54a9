"""A RabbitMQ that is there, and refuses what a worker or the runner itself publishes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.zops_queue.places import Recorder, workplace
from tests.zops_queue.receiving import until
from tests.zops_queue.test_broker_in_need import node, working
from tests.zops_queue.test_processing import events, state
from zcore.broker import encode_event
from zops_queue.amqp import names, standins
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.processing.retry import Pauses
from zops_queue.processing.runner import run
from zops_queue.processing.workplace import Options, Tally
from zops_queue.registry import LoadedWorker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pika.adapters.blocking_connection import BlockingChannel

    from zcore.broker import Event, WorkContext
    from zcore.database import Database
    from zcore.testing.rabbitmq import PrivateRabbitMQ

__all__ = ["node"]
pytestmark = pytest.mark.rabbitmq
OTHERWISE: dict[str, Any] = {"durable": True, "arguments": {"x-max-length": 5}}


def pass_on(events: Sequence[Event], context: WorkContext) -> None:
    """Publish as each event says."""
    for event in events:
        size = event.payload.get("size", 0)
        assert isinstance(size, int)
        context.publish(str(event.payload["to"]), {"n": event.payload["n"], "text": "x" * size})


def test_what_a_worker_publishes_is_refused(
    node: PrivateRabbitMQ,
    rabbitmq_url: str,
    amqp: AmqpBroker,
    server: BlockingChannel,
    queue: str,
) -> None:
    full, otherwise, good = f"{queue}_full", f"{queue}_otherwise", f"{queue}_good"
    server.queue_declare(otherwise, **OTHERWISE)
    amqp.declare(full)
    node.fill(rabbitmq_url, full)
    orders = [{"to": good}, {"to": otherwise}, {"to": full}, {"to": good, "size": 3000}]
    numbered = [{"n": number, **order} for number, order in enumerate(orders)]
    amqp.publish(queue, map(encode_event, numbered))
    recorder = Recorder(queue, batch=4)
    recorder.before = pass_on
    with node.taking_at_most(2000):
        tally = run([recorder.loaded], workplace(lambda: AmqpBroker(rabbitmq_url)))
    assert tally == Tally(processed=1, retried=6, dead={queue: 3})
    said = {letter.body: letter.failure for letter in amqp.dead_letters(queue, 9)}
    reasons = [said[encode_event(order)] for order in numbered[1:]]
    for reason, words in zip(reasons, ("inequivalent arg", "is full", "message size"), strict=True):
        assert words in reason.error
        assert reason.attempts == 3
        assert "Refused" in reason.traceback
    assert {each.body for each in amqp.peek(good, 9)} == {b'{"n":0,"text":""}'}


def test_with_a_lease_only_the_publishing_is_tried_again(
    rabbitmq_url: str,
    amqp: AmqpBroker,
    server: BlockingChannel,
    sqlite_database: Database,
    queue: str,
) -> None:
    other = f"{queue}_other"
    server.queue_declare(other, **OTHERWISE)
    amqp.publish(queue, [encode_event({"n": 1, "to": other}), *events([2])])
    recorder = Recorder(queue)

    def pass_on_the_first(events: Sequence[Event], context: WorkContext) -> None:
        if "to" in events[0].payload:
            pass_on(events, context)
        else:
            server.queue_delete(other)  # somebody puts it right

    recorder.before = pass_on_the_first
    worker = LoadedWorker(queue, 1, recorder.handle, lease=True)
    place = workplace(lambda: AmqpBroker(rabbitmq_url), open_database=lambda: sqlite_database)
    assert run([worker], place) == Tally(processed=1, retried=1, repeated=1)
    assert recorder.done == [1, 2]
    assert [each.body for each in amqp.peek(other, 9)] == [b'{"n":1,"text":""}']


def test_a_queue_of_dead_letters_that_is_refused_stops_nothing_else(
    rabbitmq_url: str,
    amqp: AmqpBroker,
    server: BlockingChannel,
    queue: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(standins, "PAUSES", Pauses(first=0.05, longest=0.1))
    server.queue_declare(names.dead_queue(queue), **OTHERWISE)
    amqp.publish(queue, [b"no event", b"nor this", *events(range(4))])
    recorder = Recorder(queue)

    def fail_once(events: Sequence[Event], context: WorkContext) -> None:
        if recorder.calls.count([1]) == 1 and events[0].payload["n"] == 1:
            raise RuntimeError("not yet")

    recorder.before = fail_once
    place = workplace(lambda: AmqpBroker(rabbitmq_url), options=Options())
    meter = place.meters.of(queue)
    with working(recorder.loaded, place):
        until(lambda: recorder.done == [0, 2, 3, 1])
        until(lambda: "inequivalent arg" in meter.waiting)
        for _ in range(3):
            amqp.publish(queue, events([5]))
        until(lambda: len(recorder.done) == 7)
        assert state(amqp, queue).ready == 0  # in hand, and not delivered again and again
        server.queue_delete(names.dead_queue(queue))
        until(lambda: state(amqp, queue).dead == 2)
        until(lambda: not meter.waiting)
    assert meter.dead == 2
    assert capsys.readouterr().err.count("what is to be tried again waits") == 1


def test_publishing_during_an_alarm_keeps_only_its_own_queue_waiting(
    node: PrivateRabbitMQ, rabbitmq_url: str, amqp: AmqpBroker, queue: str
) -> None:
    publishing, other = Recorder(queue), Recorder(f"{queue}_other")
    amqp.publish(queue, [encode_event({"n": 1, "to": f"{queue}_next"})])
    amqp.publish(other.loaded.queue, events(range(50)))
    publishing.before = pass_on
    place = workplace(lambda: AmqpBroker(rabbitmq_url), options=Options())
    with ExitStack() as alarm:
        alarm.enter_context(node.short_of_memory())
        with working(publishing.loaded, place), working(other.loaded, place):
            until(lambda: publishing.calls == [[1]])
            until(lambda: len(other.done) == 50)
            alarm.close()
            until(lambda: place.meters.of(queue).processed == 1)
    assert publishing.done == [1]
    assert [each.body for each in amqp.peek(f"{queue}_next", 9)] == [b'{"n":1,"text":""}']
