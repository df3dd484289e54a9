"""From queue to worker and back: what becomes of good, bad and poisonous events."""

from __future__ import annotations

import errno
import json
import math
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pika
import pytest

from tests.zops_queue.places import Recorder, impatient, workplace
from tests.zops_queue.proxy import Proxy
from tests.zops_queue.receiving import until
from zcore.broker import Rejected
from zcore.errors import Failed, Interrupted, Unreachable
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.embedded.broker import EmbeddedBroker
from zops_queue.embedded.consumer import EmbeddedConsumer
from zops_queue.processing.handling import ServiceGone
from zops_queue.processing.retry import RetryPolicy
from zops_queue.processing.runner import run
from zops_queue.processing.workplace import Options, Tally
from zops_queue.registry import LoadedWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.zops_queue.conftest import Connect
    from zcore.broker import Broker, Delivery, Event, QueueState, WorkContext
    from zops_queue.processing.workplace import Workplace


def events(numbers: Sequence[int], bad: Sequence[int] = ()) -> list[bytes]:
    """Events with numbers; those in `bad` make the recorder fail."""
    return [json.dumps({"n": n} | ({"fail": True} if n in bad else {})).encode() for n in numbers]


def state(broker: Broker, queue: str) -> QueueState:
    found = broker.state(queue)
    assert found is not None
    return found


@pytest.fixture
def place(connect: Connect) -> Workplace:
    return workplace(connect)


@pytest.fixture
def embedded(tmp_path: Path) -> Callable[[], EmbeddedBroker]:
    """For what no kind of broker decides."""
    return lambda: EmbeddedBroker(tmp_path / "queue.db")


def test_draining_handles_everything_in_batches(
    place: Workplace, broker: Broker, queue: str
) -> None:
    broker.publish(queue, events(range(250)))
    recorder = Recorder(queue, batch=100)
    tally = run([recorder.loaded], place)
    assert recorder.done == list(range(250))
    assert max(len(call) for call in recorder.calls) <= 100
    assert tally == Tally(processed=250)
    assert state(broker, queue).ready == 0


def test_a_bad_event_takes_no_other_with_it(place: Workplace, broker: Broker, queue: str) -> None:
    broker.publish(queue, events(range(50), bad=[13, 37]))
    recorder = Recorder(queue, batch=50)
    tally = run([recorder.loaded], place)
    assert sorted(recorder.done) == [n for n in range(50) if n not in {13, 37}]
    assert tally == Tally(processed=48, retried=4, dead={queue: 2})
    letters = broker.dead_letters(queue, 10)
    assert sorted(json.loads(letter.body)["n"] for letter in letters) == [13, 37]
    failure = letters[0].failure
    assert (failure.attempts, failure.host) == (3, "test-host")
    assert failure.error == "RuntimeError: one of them is bad"
    assert "in handle" in failure.traceback
    after = state(broker, queue)
    assert (after.ready, after.delayed, after.dead) == (0, 0, 2)


def test_a_split_goes_to_the_worker_in_ever_smaller_parts(
    embedded: Callable[[], EmbeddedBroker], queue: str
) -> None:
    broker = embedded()
    broker.publish(queue, events(range(8), bad=[5]))
    recorder = Recorder(queue, batch=8)
    run([recorder.loaded], workplace(embedded))
    assert recorder.calls[:7] == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [4, 5],
        [4],
        [5],
        [6, 7],
    ]
    broker.close()


def test_an_event_that_fails_for_a_while_succeeds_in_the_end(
    place: Workplace, broker: Broker, queue: str
) -> None:
    broker.publish(queue, events([1]))
    recorder = Recorder(queue)
    attempts: list[int] = []

    def fail_twice(events: Sequence[Event], context: WorkContext) -> None:
        attempts.append(events[0].attempts)
        if len(attempts) < 3:
            raise OSError("not yet")

    recorder.before = fail_twice
    assert run([recorder.loaded], place) == Tally(processed=1, retried=2)
    assert attempts == [0, 1, 2]
    assert state(broker, queue).dead == 0


@pytest.mark.parametrize(
    "body",
    [b"{oops", b"[1, 2]", b"7", b"", b'{"a": "\xff"}', b'{"a":' + b"[" * 100_000],
    ids=["cut", "array", "number", "empty", "bytes", "deep"],
)
def test_what_is_no_json_object_is_dead_at_once(
    place: Workplace, broker: Broker, queue: str, body: bytes
) -> None:
    broker.publish(queue, [events([1])[0], body, events([2])[0]])
    recorder = Recorder(queue, batch=10)
    assert run([recorder.loaded], place) == Tally(processed=2, dead={queue: 1})
    assert recorder.done == [1, 2]
    (letter,) = broker.dead_letters(queue, 10)
    assert letter.body == body
    assert "JSON" in letter.failure.error


def test_rejected_events_are_dead_at_once_and_the_others_done(
    place: Workplace, broker: Broker, queue: str
) -> None:
    broker.publish(queue, events(range(5)))
    recorder = Recorder(queue, batch=5)
    recorder.before = lambda events, _: [Rejected(events[2], "it is odd\nthough even")]
    assert run([recorder.loaded], place) == Tally(processed=4, dead={queue: 1})
    (letter,) = broker.dead_letters(queue, 10)
    assert (letter.body, letter.failure.error) == (b'{"n": 2}', "it is odd though even")
    assert letter.failure.attempts == 1


def test_a_worker_that_returns_nonsense_loses_no_event(
    embedded: Callable[[], EmbeddedBroker], queue: str
) -> None:
    broker = embedded()
    broker.publish(queue, events(range(2)))
    worker = LoadedWorker(queue, 2, lambda events, context: ["what?"])  # type: ignore[list-item]
    assert run([worker], workplace(embedded)).dead == {queue: 2}
    assert "Rejected(event, reason)" in broker.dead_letters(queue, 1)[0].failure.error
    broker.close()


def test_what_a_worker_publishes_is_sent_only_when_it_succeeds(
    place: Workplace, broker: Broker, queue: str
) -> None:
    other = f"{queue}_next"
    broker.declare(other)
    broker.publish(queue, events(range(4), bad=[2]))
    recorder = Recorder(queue, batch=4)

    def pass_on(events: Sequence[Event], context: WorkContext) -> None:
        for event in events:
            context.publish(other, {"from": event.payload["n"], "ü": "ü"})

    recorder.before = pass_on
    run([recorder.loaded], place)
    sent = [each.body for each in broker.peek(other, 10)]
    assert sorted(sent) == [f'{{"from":{n},"ü":"ü"}}'.encode() for n in (0, 1, 3)]


def test_a_service_that_is_away_costs_no_attempt(
    place: Workplace, broker: Broker, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broker.publish(queue, events(range(3)))
    recorder = Recorder(queue, batch=3)

    def away_at_first(events: Sequence[Event], context: WorkContext) -> None:
        if len(recorder.calls) < 4:
            raise Unreachable("the database is gone")

    recorder.before = away_at_first
    assert run([recorder.loaded], place) == Tally(processed=3)
    assert recorder.calls == [[0, 1, 2]] * 4
    assert capsys.readouterr().err.count("the database is gone") == 3


def test_draining_does_not_wait_for_ever_for_a_service(
    place: Workplace, broker: Broker, queue: str
) -> None:
    broker.publish(queue, events(range(3)))
    recorder = Recorder(queue, batch=3)

    def away(events: Sequence[Event], context: WorkContext) -> None:
        raise Unreachable("the database is gone")

    recorder.before = away
    with pytest.raises(ServiceGone, match="the database is gone"):
        run([recorder.loaded], impatient(place))
    until(lambda: state(broker, queue).ready == 3)


def test_what_ends_the_program_loses_no_event(place: Workplace, broker: Broker, queue: str) -> None:
    broker.publish(queue, events(range(3)))

    def end(events: Sequence[Event], context: WorkContext) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([LoadedWorker(queue, 2, end)], place)
    until(lambda: state(broker, queue).ready == 3)


def test_a_worker_that_exits_has_failed(embedded: Callable[[], EmbeddedBroker], queue: str) -> None:
    broker = embedded()
    broker.publish(queue, events(range(3)))
    recorder = Recorder(queue, batch=3)

    def leave(events: Sequence[Event], context: WorkContext) -> None:
        if any(event.payload["n"] == 1 for event in events):
            raise SystemExit(3)

    recorder.before = leave
    tally = run([recorder.loaded], workplace(embedded))
    assert tally == Tally(processed=2, retried=2, dead={queue: 1})
    assert broker.dead_letters(queue, 1)[0].failure.error == "SystemExit: 3"
    broker.close()


def test_asked_to_stop_it_finishes_what_is_in_hand_and_leaves_the_rest(
    connect: Connect, broker: Broker, queue: str
) -> None:
    place = workplace(connect, options=Options(prefetch=10))
    broker.publish(queue, events(range(10)))
    recorder = Recorder(queue)

    def stop_at_three(events: Sequence[Event], context: WorkContext) -> None:
        if events[0].payload["n"] == 3:
            place.stop.set()
            time.sleep(0.1)

    recorder.before = stop_at_three
    assert run([recorder.loaded], place) == Tally(processed=4)
    assert recorder.done == [0, 1, 2, 3]
    until(lambda: state(broker, queue).ready == 6)


def test_asked_to_stop_while_a_service_is_away(
    connect: Connect, broker: Broker, queue: str
) -> None:
    place = workplace(connect, options=Options())
    broker.publish(queue, events(range(2)))
    recorder = Recorder(queue, batch=2)

    def away(events: Sequence[Event], context: WorkContext) -> None:
        place.stop.set()
        raise Unreachable("the database is gone")

    recorder.before = away
    assert run([recorder.loaded], place) == Tally()
    until(lambda: state(broker, queue).ready == 2)


def test_a_worker_that_stops_by_itself_loses_no_event(
    connect: Connect, broker: Broker, queue: str
) -> None:
    broker.publish(queue, events(range(2)))

    def interrupted(events: Sequence[Event], context: WorkContext) -> None:
        raise Interrupted("stopped by a signal")

    assert run([LoadedWorker(queue, 2, interrupted)], workplace(connect)) == Tally()
    until(lambda: state(broker, queue).ready == 2)


def test_several_queues(connect: Connect, broker: Broker, queue: str) -> None:
    names = [f"{queue}_{n}" for n in range(3)]
    for name in names:
        broker.publish(name, events(range(20), bad=[7]))
    recorders = [Recorder(name, batch=1 + 5 * n) for n, name in enumerate(names)]
    tally = run([recorder.loaded for recorder in recorders], workplace(connect))
    assert tally == Tally(processed=57, retried=6, dead=dict.fromkeys(names, 1))
    for recorder in recorders:
        assert sorted(map(str, recorder.done)) == sorted(str(n) for n in range(20) if n != 7)


def test_threads_work_side_by_side(embedded: Callable[[], EmbeddedBroker]) -> None:
    broker = embedded()
    both = threading.Barrier(2, timeout=10)
    for name in ("a", "b"):
        broker.publish(name, events([1]))

    def meet(events: Sequence[Event], context: WorkContext) -> None:
        both.wait()

    workers = [LoadedWorker(name, 1, meet) for name in ("a", "b")]
    assert run(workers, workplace(embedded)).processed == 2
    broker.close()


def test_a_thread_that_breaks_stops_the_others_and_is_heard(
    embedded: Callable[[], EmbeddedBroker],
) -> None:
    broker = embedded()
    broker.publish("a", events([1]))

    def leave(events: Sequence[Event], context: WorkContext) -> None:
        raise KeyboardInterrupt

    workers = [LoadedWorker("a", 1, leave), Recorder("b").loaded]
    with pytest.raises(KeyboardInterrupt):
        run(workers, workplace(embedded, options=Options()))
    assert state(broker, "a").ready == 1
    broker.close()


def test_part_of_a_batch_waits_for_others_but_not_for_long(
    embedded: Callable[[], EmbeddedBroker], queue: str
) -> None:
    place = workplace(embedded, options=Options())
    recorder = Recorder(queue, batch=10)
    thread = threading.Thread(target=run, args=([recorder.loaded], place))
    thread.start()
    broker = embedded()
    try:
        for numbers in ([0], [1], [2, 3]):
            broker.publish(queue, events(numbers))
            time.sleep(0.1)
        assert not recorder.calls
        until(lambda: len(recorder.done) == 4)
        assert recorder.calls == [[0, 1, 2, 3]]
    finally:
        place.stop.set()
        thread.join()
        broker.close()


def test_a_small_prefetch_makes_small_batches(connect: Connect, broker: Broker, queue: str) -> None:
    broker.publish(queue, events(range(10)))
    recorder = Recorder(queue, batch=100)
    run([recorder.loaded], workplace(connect, options=Options(drain=True, prefetch=4)))
    assert recorder.done == list(range(10))
    assert max(len(call) for call in recorder.calls) <= 4


def test_what_may_take_hours_is_fetched_when_its_turn_comes(
    place: Workplace, broker: Broker, queue: str
) -> None:
    broker.publish(queue, events(range(3)))
    left: list[int] = []

    def look(events: Sequence[Event], context: WorkContext) -> None:
        left.append(state(broker, queue).ready)  # for other processes

    run([LoadedWorker(queue, 1, look, timeout=math.inf)], place)
    assert left == [2, 1, 0]


@pytest.mark.parametrize(
    "error",
    [
        Failed("the queue file: database or disk is full"),
        OSError(errno.ENOSPC, "the disk is full"),
    ],
)
def test_a_disk_that_is_full_for_a_while_ends_nothing(
    error: Exception,
    embedded: Callable[[], EmbeddedBroker],
    queue: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broker = embedded()
    broker.publish(queue, events(range(3)))
    acknowledge, full = EmbeddedConsumer.acknowledge, [True]

    def fail_once(self: EmbeddedConsumer, deliveries: Sequence[Delivery]) -> None:
        if full.pop() if full else False:
            raise error
        acknowledge(self, deliveries)

    monkeypatch.setattr(EmbeddedConsumer, "acknowledge", fail_once)
    place = workplace(embedded, options=Options())
    recorder = Recorder(queue)
    thread = threading.Thread(target=run, args=([recorder.loaded], place))
    thread.start()
    try:
        until(lambda: recorder.done == [0, 0, 1, 2])
    finally:
        place.stop.set()
        thread.join()
    assert "disk is full; connecting again" in capsys.readouterr().err
    broker.close()


def test_draining_brings_old_delays_nearer(connect: Connect, broker: Broker, queue: str) -> None:
    broker.publish(queue, events([1], bad=[1]))
    slow = replace(
        workplace(connect, options=Options()), retries=RetryPolicy(attempts=2, delays=(1800,))
    )
    worker = Recorder(queue)
    worker.before = lambda events, context: slow.stop.set()
    run([worker.loaded], slow)
    assert state(broker, queue).delayed == 1
    content = LoadedWorker(queue, 1, lambda events, context: None)
    began = time.monotonic()
    assert run([content], workplace(connect)) == Tally(processed=1)
    assert time.monotonic() - began < 8


@pytest.mark.rabbitmq
def test_the_broker_goes_away_and_comes_back(rabbitmq_url: str, queue: str) -> None:
    parts = urlsplit(rabbitmq_url)
    proxy = Proxy(parts.hostname or "", parts.port or 5672)
    url = rabbitmq_url.replace(f":{parts.port}/", f":{proxy.port}/")
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, events(range(30)))
    recorder = Recorder(queue, batch=10)

    def cut_once(events: Sequence[Event], context: WorkContext) -> None:
        if len(recorder.calls) == 2:
            proxy.cut()
            threading.Timer(0.3, proxy.mend).start()

    recorder.before = cut_once
    try:
        tally = run([recorder.loaded], workplace(lambda: AmqpBroker(url)))
        assert set(recorder.done) == set(range(30))  # the second ten came twice
        assert tally.dead == {}
        assert state(broker, queue).ready == 0
    finally:
        broker.close()
        proxy.close()


@pytest.mark.rabbitmq
def test_the_connection_lives_while_a_handler_works(
    rabbitmq_url: str, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """RabbitMQ ends a connection that has sent no heartbeat for twice its time."""
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, events(range(2)))
    recorder = Recorder(queue, batch=2)
    recorder.before = lambda events, context: time.sleep(4)
    place = workplace(lambda: AmqpBroker(f"{rabbitmq_url}?heartbeat=1"))
    assert run([recorder.loaded], place) == Tally(processed=2)
    assert recorder.calls == [[0, 1]]
    assert capsys.readouterr().err == ""
    broker.close()


@pytest.mark.rabbitmq
def test_a_queue_that_is_declared_otherwise_does_not_stop_the_others(
    rabbitmq_url: str, queue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"{queue}_other"
    server = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = server.channel()
    channel.queue_declare(queue, durable=True, arguments={"x-max-length": 5})
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(other, events([1]))
    recorders = [Recorder(queue), Recorder(other)]
    place = workplace(lambda: AmqpBroker(rabbitmq_url), options=Options())
    thread = threading.Thread(target=run, args=([each.loaded for each in recorders], place))
    thread.start()
    try:
        until(lambda: recorders[1].done == [1])
        until(lambda: "inequivalent arg" in place.meters.of(queue).trouble)
        channel.queue_delete(queue)  # somebody puts it right
        until(lambda: place.meters.of(queue).connected)
        broker.publish(queue, events([2]))
        until(lambda: recorders[0].done == [2])
        channel.queue_delete(other)  # and it is made again
        broker.close()
        broker = AmqpBroker(rabbitmq_url)
        until(lambda: "was deleted" in capsys.readouterr().err)
        broker.publish(other, events([3]))
        until(lambda: recorders[1].done == [1, 3])
    finally:
        place.stop.set()
        thread.join()
        broker.close()
        server.close()


@pytest.mark.rabbitmq
def test_draining_does_not_wait_for_ever_for_the_broker(rabbitmq_url: str, queue: str) -> None:
    parts = urlsplit(rabbitmq_url)
    proxy = Proxy(parts.hostname or "", parts.port or 5672)
    url = rabbitmq_url.replace(f":{parts.port}/", f":{proxy.port}/")
    broker = AmqpBroker(url)
    broker.publish(queue, events([1]))
    broker.close()
    recorder = Recorder(queue)
    recorder.before = lambda events, context: proxy.cut()
    with pytest.raises(Unreachable, match="RabbitMQ"):
        run([recorder.loaded], workplace(lambda: AmqpBroker(url)))
    proxy.close()


def test_without_a_broker_at_the_start_it_does_not_begin() -> None:
    place = workplace(lambda: AmqpBroker("amqp://u:p@127.0.0.1:1/"), options=Options())
    with pytest.raises(Unreachable, match="Connection refused"):
        run([Recorder("q").loaded], place)
