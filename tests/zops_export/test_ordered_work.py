"""Work on many things at a time: in order, not far ahead, and it can be stopped while it waits."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest

from zcore import Interrupted
from zops_export.ordered_work import OrderedWork, waiting_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _go_on() -> None:
    """Nobody asks us to stop."""


def _stopping_after(times: int) -> Callable[[], None]:
    """What asks to stop when it was asked so often."""
    asked = count()

    def may_go_on() -> None:
        if next(asked) >= times:
            raise Interrupted("stopped")

    return may_go_on


def test_results_come_in_order() -> None:
    """The first is done last."""
    others_done = threading.Barrier(4)

    def work(number: int) -> int:
        if number < 4:
            others_done.wait(10)
        return number * number

    work_in_order = OrderedWork(work, 4, _go_on)
    assert list(work_in_order.results(range(50))) == [(one, one * one) for one in range(50)]


def test_only_a_few_are_taken_ahead() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = OrderedWork(lambda number: number, 3, _go_on).results(things())
    for done, _ in zip(range(500), results, strict=False):
        assert len(taken) <= done + 1 + 2 * 3
    del results
    assert len(taken) < 510


def test_a_failure_is_raised_in_its_turn_and_ends_the_rest() -> None:
    begun: set[int] = set()

    def work(number: int) -> int:
        begun.add(number)
        if number == 5:
            raise ValueError("five")
        return number

    results = OrderedWork(work, 2, _go_on).results(range(1000))
    found: list[int] = []
    with pytest.raises(ValueError, match="five"):
        found.extend(number for number, _ in results)
    assert found == [0, 1, 2, 3, 4]
    assert max(begun) < 20


def test_what_waits_for_ever_does_not_keep_it_from_stopping() -> None:
    for_ever = threading.Event()
    work = OrderedWork(lambda _number: for_ever.wait(60), 2, _stopping_after(2))
    with pytest.raises(Interrupted):
        list(work.results(range(10)))
    assert work.stopped.is_set()
    with pytest.raises(Interrupted):
        waiting_for(lambda: for_ever.wait(60), _stopping_after(2))
    for_ever.set()


def test_what_a_call_gives_or_raises() -> None:
    assert waiting_for(lambda: 7, _go_on) == 7
    with pytest.raises(ZeroDivisionError):
        waiting_for(lambda: 1 // 0, _go_on)
