"""From old ids to new ones, few in a dictionary, many in arrays: the same answers."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING

import pytest

from zops_export import id_maps
from zops_export.id_maps import IdMap, first_duplicate, identical

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(params=["few", "many"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs once with each way to keep ids."""
    if request.param == "many":
        monkeypatch.setattr(id_maps, "FEW", 2)


def ids(*numbers: int) -> array[int]:
    return array("q", numbers)


@pytest.mark.parametrize(
    "new", [range(100, 105), [900, 7, 3, 2**62, 1], array("q", [5, 4, 3, 2, 1])]
)
@pytest.mark.parametrize("old", [ids(1, 2, 3, 4, 5), ids(10, 20, 30, 40, 2**62)])
def test_each_id_leads_to_its_own(old: array[int], new: Sequence[int]) -> None:
    found = IdMap(old, new)
    assert [found.get(ident) for ident in old] == list(new)
    assert len(found) == 5


def test_ids_in_no_order_lead_to_their_own() -> None:
    chance = random.Random(3)  # noqa: S311
    old = ids(*chance.sample(range(1, 10_000), 500))
    new = chance.sample(range(1, 10_000), 500)
    before = list(old)
    found = IdMap(old, new)
    assert [found.get(ident) for ident in before] == new
    assert list(old) == before  # whoever gave it still has its order
    assert found.get(0) is None
    assert found.get(10_001) is None


@pytest.mark.parametrize("missing", [0, -1, 1, 5, 25, 41, 2**62, 2**70])
def test_an_id_that_the_export_has_not_is_none(missing: int) -> None:
    assert IdMap(ids(10, 20, 30, 40), range(1, 5)).get(missing) is None


def test_no_ids() -> None:
    found = IdMap(ids(), range(0))
    assert len(found) == 0
    assert found.get(1) is None
    assert found.before(1) is None


def test_added_ids_are_found_too_and_win_over_nothing() -> None:
    found = IdMap(ids(10, 20, 30), [1, 2, 3])
    get = found.get
    found.add({5: 99})
    found.add({35: 98})
    for asked in (get, found.get):
        assert [asked(ident) for ident in (5, 10, 20, 30, 35)] == [99, 1, 2, 3, 98]
        assert asked(6) is None


@pytest.mark.parametrize("old", [ids(10, 20, 30, 40), ids(30, 10, 40, 20)])
def test_the_last_row_before_an_id(old: array[int]) -> None:
    found = IdMap(old, [ident * 7 for ident in old])
    expected = {9: None, 10: None, 11: 70, 20: 70, 25: 140, 40: 210, 41: 280, 2**70: 280}
    for _ in range(2):
        assert {ident: found.before(ident) for ident in expected} == expected
    assert [found.get(ident) for ident in old] == [ident * 7 for ident in old]


def test_what_was_added_is_not_before_anything() -> None:
    """It is no row of the export."""
    found = IdMap(ids(10, 20, 30), [1, 2, 3])
    found.add({25: 99})
    assert found.before(30) == 2
    assert found.before(11) == 1


def test_both_kinds_answer_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(11)  # noqa: S311
    old = ids(*chance.sample(range(300), 100))
    new = [chance.randrange(10**12) for _ in old]
    answers = []
    for few in (1000, 1):
        monkeypatch.setattr(id_maps, "FEW", few)
        found = IdMap(old, new)
        answers.append([(found.get(ident), found.before(ident)) for ident in range(-2, 303)])
    assert answers[0] == answers[1]


def test_identical_maps_change_nothing() -> None:
    maps = identical({"a": ids(3, 1, 2), "b": ids()})
    assert [maps["a"].get(ident) for ident in (1, 2, 3, 4)] == [1, 2, 3, None]
    assert maps["b"].get(1) is None


@pytest.mark.parametrize(
    ("numbers", "twice"),
    [
        ((), None),
        ((1,), None),
        ((1, 2, 3), None),
        ((3, 1, 2), None),
        ((1, 1), 1),
        ((9, 5, 9, 5, 7), 5),
        ((2**62, 1, 2**62), 2**62),
        ((-1, 0, -1), -1),
    ],
)
def test_the_lowest_id_that_occurs_twice(numbers: tuple[int, ...], twice: int | None) -> None:
    assert first_duplicate(ids(*numbers)) == twice
