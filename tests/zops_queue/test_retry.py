"""How long to wait: pure arithmetic."""

from __future__ import annotations

import pytest

from zops_queue.amqp.names import step_for
from zops_queue.processing.retry import Pauses, RetryPolicy


def test_delays_grow_and_then_it_gives_up() -> None:
    policy = RetryPolicy(chance=lambda: 0)
    assert [policy.delay(n) for n in range(1, 7)] == [1, 5, 30, 300, 1800, None]


def test_delays_are_shortened_at_random_by_up_to_a_quarter() -> None:
    assert RetryPolicy(chance=lambda: 1).delay(3) == 22.5
    delays = {RetryPolicy().delay(3) for _ in range(20)}
    assert len(delays) > 1
    assert all(delay is not None and 22.5 <= delay <= 30 for delay in delays)


def test_draining_cuts_the_long_delays() -> None:
    policy = RetryPolicy(longest=2, chance=lambda: 0)
    assert [policy.delay(n) for n in range(1, 7)] == [1, 2, 2, 2, 2, None]


def test_pauses_double_up_to_a_limit() -> None:
    pauses = Pauses(first=1, longest=10, chance=lambda: 0)
    assert [pauses.pause(n) for n in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize(
    ("seconds", "step"), [(0, 1), (1, 1), (1.1, 5), (299, 300), (1800, 1800), (9999, 1800)]
)
def test_each_delay_fits_into_the_shortest_step_that_is_long_enough(
    seconds: float, step: int
) -> None:
    assert step_for(seconds) == step
