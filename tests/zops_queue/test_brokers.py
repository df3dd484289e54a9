"""What every broker must do, tried with each of ours and with the one for tests."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.zops_queue.receiving import FAILURE, nothing_comes, receive, until
from zcore.testing.broker import StubQueues

if TYPE_CHECKING:
    from tests.zops_queue.conftest import Connect
    from zcore.broker import Broker, DeadLetter


@pytest.fixture(params=["embedded", "stub", pytest.param("amqp", marks=pytest.mark.rabbitmq)])
def broker_url(request: pytest.FixtureRequest, stub_queues: StubQueues) -> str:
    """The setting `broker`: the test runs once with each kind, the stub for tests too."""
    if request.param == "stub":
        return stub_queues.url
    url: str = (
        "embedded" if request.param == "embedded" else request.getfixturevalue("rabbitmq_url")
    )
    return url


@pytest.fixture
def stub_queues() -> StubQueues:
    """The queues in memory; they live as long as this object."""
    return StubQueues()


def numbered(count: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(count)]


def test_events_come_in_the_order_in_which_they_were_published(broker: Broker, queue: str) -> None:
    assert broker.publish(queue, iter(numbered(250))) == 250
    consumer = broker.consume({queue: 300}, "test")
    deliveries = receive(consumer, queue, 250)
    assert [each.body for each in deliveries] == numbered(250)
    assert {(each.queue, each.attempts, each.redelivered) for each in deliveries} == {
        (queue, 0, False)
    }


def test_what_is_acknowledged_is_gone(broker: Broker, connect: Connect, queue: str) -> None:
    broker.publish(queue, numbered(5))
    consumer = broker.consume({queue: 10}, "test")
    deliveries = receive(consumer, queue, 5)
    consumer.acknowledge([deliveries[1], deliveries[3]])  # not the oldest ones
    broker.close()
    again = connect().consume({queue: 10}, "test")
    assert [each.body for each in receive(again, queue, 3)] == [
        b'{"n":0}',
        b'{"n":2}',
        b'{"n":4}',
    ]
    assert nothing_comes(again, queue)


def test_what_is_not_settled_comes_back_when_the_consumer_ends(
    broker: Broker, connect: Connect, queue: str
) -> None:
    broker.publish(queue, numbered(4))
    first = broker.consume({queue: 4}, "test")
    taken = receive(first, queue, 2)
    second = connect().consume({queue: 10}, "test")
    assert nothing_comes(second, queue)
    first.acknowledge(taken[:1])
    first.close()
    assert [each.body for each in receive(second, queue, 3)] == numbered(4)[1:]


def test_no_more_than_the_prefetch_is_in_hand(broker: Broker, queue: str) -> None:
    broker.publish(queue, numbered(5))
    consumer = broker.consume({queue: 2}, "test")
    first = receive(consumer, queue, 2)
    assert nothing_comes(consumer, queue)
    consumer.acknowledge(first[:1])
    assert [each.body for each in receive(consumer, queue, 1)] == [b'{"n":2}']


def test_consumers_share_a_queue(broker: Broker, connect: Connect, queue: str) -> None:
    broker.declare(queue)
    consumers = [broker.consume({queue: 3}, "a"), connect().consume({queue: 3}, "b")]
    connect().publish(queue, numbered(6))
    bodies = [each.body for consumer in consumers for each in receive(consumer, queue, 3)]
    assert sorted(bodies) == numbered(6)


def test_consumers_are_counted(broker: Broker, connect: Connect, queue: str) -> None:
    def consumers() -> int:
        state = broker.state(queue)
        return state.consumers if state else 0

    broker.declare(queue)
    assert consumers() == 0
    first = connect()
    first.consume({f"{queue}_other": 3, queue: 3}, "a")
    connect().consume({queue: 3}, "b")
    connect().consume({f"{queue}_other": 3}, "c")
    until(lambda: consumers() == 2)
    first.close()
    until(lambda: consumers() == 1)


def test_one_consumer_takes_from_several_queues(broker: Broker, queue: str) -> None:
    other = f"{queue}_other"
    broker.publish(queue, [b'{"n":1}'])
    broker.publish(other, [b'{"n":2}'])
    consumer = broker.consume({queue: 5, other: 5}, "test")
    both = [*receive(consumer, other, 1), *receive(consumer, queue, 1)]
    assert [(each.queue, each.body) for each in both] == [(other, b'{"n":2}'), (queue, b'{"n":1}')]
    consumer.acknowledge(both)
    consumer.close()
    for name in (queue, other):
        state = broker.state(name)
        assert state is not None
        assert (state.ready, state.in_hand or 0) == (0, 0)


def test_a_retry_comes_later_with_one_more_attempt(broker: Broker, queue: str) -> None:
    broker.publish(queue, numbered(2))
    consumer = broker.consume({queue: 10}, "test")
    failed, other = receive(consumer, queue, 2)
    began = time.monotonic()
    consumer.retry(failed, 0.5)
    consumer.acknowledge([other])
    state = broker.state(queue)
    assert state is not None
    assert (state.ready, state.delayed) == (0, 1)
    (again,) = receive(consumer, queue, 1)
    assert time.monotonic() - began >= 0.45
    assert (again.body, again.attempts) == (failed.body, 1)
    consumer.retry(again, 0)
    (third,) = receive(consumer, queue, 1)
    assert third.attempts == 2
    assert failed.first_seen is None
    assert again.first_seen is not None
    assert third.first_seen == again.first_seen


def test_what_is_postponed_comes_later_as_it_was(
    broker: Broker, connect: Connect, queue: str
) -> None:
    broker.publish(queue, numbered(3))
    consumer = broker.consume({queue: 3}, "test")
    fresh, begun, tried = receive(consumer, queue, 3)
    consumer.retry(tried, 0)
    (tried,) = receive(consumer, queue, 1)
    for delivery in (fresh, replace(begun, redelivered=True), tried):
        consumer.postpone(delivery, 0.1)
    again = sorted(receive(consumer, queue, 3), key=lambda each: each.body)
    assert [(each.body, each.attempts) for each in again] == [
        (b'{"n":0}', 0),
        (b'{"n":1}', 0),
        (b'{"n":2}', 1),
    ]
    assert [each.first_seen for each in again] == [None, None, tried.first_seen]
    assert not again[0].redelivered


def test_what_was_taken_and_not_settled_may_have_been_begun(
    broker: Broker, connect: Connect, queue: str
) -> None:
    broker.publish(queue, numbered(1))
    first = broker.consume({queue: 1}, "test")
    receive(first, queue, 1)
    first.close()
    second = connect().consume({queue: 1}, "test")
    (delivery,) = receive(second, queue, 1)
    assert delivery.redelivered
    second.postpone(delivery, 0.1)
    assert receive(second, queue, 1)[0].redelivered


def test_a_short_delay_does_not_wait_for_a_long_one(broker: Broker, queue: str) -> None:
    broker.publish(queue, numbered(2))
    consumer = broker.consume({queue: 10}, "test")
    slow, quick = receive(consumer, queue, 2)
    consumer.retry(slow, 60)
    consumer.retry(quick, 0.1)
    assert receive(consumer, queue, 1)[0].body == quick.body
    assert nothing_comes(consumer, queue)


def test_a_long_delay_can_be_shortened(broker: Broker, queue: str) -> None:
    broker.publish(queue, numbered(3))
    consumer = broker.consume({queue: 10}, "test")
    for number, delivery in enumerate(receive(consumer, queue, 3)):
        consumer.retry(delivery, 40 + 400 * number)
    broker.hasten(queue, 0.2)
    assert sorted(each.body for each in receive(consumer, queue, 3)) == numbered(3)


def test_a_dead_letter_keeps_the_event_and_the_reason(broker: Broker, queue: str) -> None:
    bad = b"\xff not even text"
    broker.publish(queue, [bad, b'{"n":1}'])
    consumer = broker.consume({queue: 10}, "test")
    dead, good = receive(consumer, queue, 2)
    consumer.bury(dead, FAILURE)
    consumer.acknowledge([good])
    (letter,) = broker.dead_letters(queue, 10)
    assert (letter.queue, letter.body, letter.failure) == (queue, bad, FAILURE)
    assert letter.id
    assert broker.dead_letters(queue, 10) == [letter]  # looking leaves it where it is
    state = broker.state(queue)
    assert state is not None
    assert (state.ready, state.dead) == (0, 1)


def test_a_purge_leaves_what_is_in_hand_and_what_is_dead(
    broker: Broker, connect: Connect, queue: str
) -> None:
    broker.publish(queue, numbered(6))
    consumer = broker.consume({queue: 3}, "test")
    in_hand, delayed, dead = receive(consumer, queue, 3)
    consumer.retry(delayed, 60)
    consumer.bury(dead, FAILURE)
    until(lambda: consumer.wait(0.05) or consumer.held(queue) == 2)
    other = connect()
    assert other.purge(queue) == 2  # one ready, one delayed
    consumer.close()
    state = other.state(queue)
    assert state is not None
    assert (state.ready, state.delayed, state.dead) == (3, 0, 1)
    assert other.peek(queue, 1)[0].body == in_hand.body


def test_peeking_leaves_the_events_where_they_are(broker: Broker, queue: str) -> None:
    broker.publish(queue, numbered(3))
    assert [each.body for each in broker.peek(queue, 2)] == numbered(2)
    assert [each.body for each in broker.peek(queue, 9)] == numbered(3)
    assert [each.body for each in receive(broker.consume({queue: 9}, "test"), queue, 3)] == (
        numbered(3)
    )


def test_a_queue_that_nobody_declared(broker: Broker, queue: str) -> None:
    assert broker.state(queue) is None
    assert not broker.peek(queue, 5)
    assert not broker.dead_letters(queue, 5)
    assert broker.purge(queue) == 0
    broker.declare(queue)
    assert broker.state(queue) is not None


def test_what_comes_while_somebody_waits(broker: Broker, connect: Connect, queue: str) -> None:
    consumer = broker.consume({queue: 10}, "test")
    consumer.wait(0)
    assert consumer.held(queue) == 0
    connect().publish(queue, numbered(1))
    began = time.monotonic()
    consumer.wait(10)
    assert consumer.held(queue) == 1
    assert time.monotonic() - began < 5


def given_up(broker: Broker, queue: str, count: int) -> list[DeadLetter]:
    """As many dead letters as `count`, the oldest first, of a queue with nothing else in it."""
    broker.publish(queue, numbered(count))
    consumer = broker.consume({queue: count}, "test")
    for number, delivery in enumerate(receive(consumer, queue, count)):
        consumer.bury(delivery, replace(FAILURE, error=f"reason {number}"))
    consumer.close()
    return list(broker.dead_letters(queue, count))


def test_a_replay_puts_chosen_dead_letters_back(
    broker: Broker, connect: Connect, queue: str
) -> None:
    letters = given_up(broker, queue, 4)
    wanted = {letters[1].id, letters[3].id}
    assert len({letter.id for letter in letters}) == 4
    broker.publish(queue, [b'{"n":"other"}'])
    replayed = broker.replay(queue, lambda letter: letter.id in wanted)
    assert list(replayed) == [letters[1].id, letters[3].id]
    assert broker.dead_letters(queue, 9) == [letters[0], letters[2]]
    consumer = connect().consume({queue: 9}, "test")
    came = receive(consumer, queue, 3)
    assert [each.body for each in came] == [b'{"n":"other"}', b'{"n":1}', b'{"n":3}']
    assert {each.attempts for each in came} == {0}
    assert not broker.replay(queue, lambda letter: letter.id in wanted)


def test_more_dead_letters_than_are_taken_at_once(broker: Broker, queue: str) -> None:
    given_up(broker, queue, 1_203)
    odd = {f"reason {number}" for number in range(1, 1_203, 2)}
    replayed = broker.replay(queue, lambda letter: letter.failure.error in odd)
    assert len(replayed) == len(set(replayed)) == 601
    left = [letter.failure.error for letter in broker.dead_letters(queue, 999)]
    assert left == [f"reason {number}" for number in range(0, 1_203, 2)]
    state = broker.state(queue)
    assert state is not None
    assert (state.ready, state.dead) == (601, 602)


def test_what_is_dropped_is_gone(broker: Broker, queue: str) -> None:
    first, second = given_up(broker, queue, 2)
    assert list(broker.drop(queue, lambda letter: letter.body == first.body)) == [first.id]
    assert broker.dead_letters(queue, 9) == [second]
    state = broker.state(queue)
    assert state is not None
    assert (state.ready, state.dead) == (0, 1)
    assert not broker.drop(f"{queue}_other", lambda _: True)


def test_a_choice_that_fails_settles_nothing(broker: Broker, connect: Connect, queue: str) -> None:
    letters = given_up(broker, queue, 3)

    def choose(letter: DeadLetter) -> bool:
        if letter.id == letters[2].id:
            raise ValueError("cannot tell")
        return True

    other = connect()
    with pytest.raises(ValueError, match="cannot tell"):
        other.replay(queue, choose)
    other.close()
    assert broker.dead_letters(queue, 9) == letters
    assert not broker.peek(queue, 9)


def test_a_replay_that_ends_early_loses_nothing(
    broker: Broker, connect: Connect, queue: str
) -> None:
    last = given_up(broker, queue, 700)[650]
    other = connect()
    with pytest.raises(ValueError, match="now"):
        other.replay(queue, lambda letter: letter.id != last.id or fail())
    other.close()
    ready = [each.body for each in broker.peek(queue, 999)]
    until(lambda: len(ready) + len(broker.dead_letters(queue, 999)) == 700)
    dead = [each.body for each in broker.dead_letters(queue, 999)]
    assert sorted(ready + dead) == sorted(numbered(700))


def fail() -> bool:
    raise ValueError("now")
