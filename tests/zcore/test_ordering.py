"""Things that say what they come before and after."""

from __future__ import annotations

import pytest

from zcore import Refused, Validator
from zcore.ordering import ordered


def item(name: str, before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Validator:
    return Validator(name, "subject", "a:b", before, after)


def names(*items: Validator) -> str:
    return "".join(one.name for one in ordered(items))


def test_without_wishes_nothing_moves() -> None:
    assert names(item("b"), item("a"), item("c")) == "bac"


def test_after_and_before() -> None:
    assert names(item("a", after=("c",)), item("b"), item("c")) == "bca"
    assert names(item("a"), item("b"), item("c", before=("a",))) == "bca"
    assert names(item("a", after=("b",)), item("b", after=("c",)), item("c")) == "cba"


def test_names_that_are_not_there() -> None:
    assert names(item("a", after=("x",), before=("y",)), item("b")) == "ab"


def test_circles_are_refused() -> None:
    circle = [item("a", after=("b",)), item("b", after=("a",)), item("c")]
    with pytest.raises(Refused, match="'a', 'b'"):
        ordered(circle)
