"""`@frozen` classes are frozen dataclasses in everything but the cost."""

from __future__ import annotations

import copy
import pickle
from dataclasses import asdict, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING

import pytest

from zcore import Command, Result, Stage
from zcore.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@frozen
class Thing:
    name: str
    size: int = 1
    parts: Mapping[str, int] = field(default_factory=dict, repr=False)


def test_values_by_place_and_by_name() -> None:
    assert (Thing("a", 2).size, Thing(name="a", size=2).size, Thing("a").size) == (2, 2, 1)


def test_defaults_are_not_shared() -> None:
    assert Thing("a").parts is not Thing("b").parts
    assert Result().data is not Result().data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Thing(), "needs a value for 'name'"),
        (lambda: Thing("a", 1, {}, 4), "at most 3 values"),
        (lambda: Thing("a", name="b"), "does not take: name"),
        (lambda: Thing("a", colour="red"), "does not take: colour"),
    ],
)
def test_wrong_values(make: Callable[[], Thing], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_is_frozen() -> None:
    thing = Thing("a")
    with pytest.raises(AttributeError, match="'name' cannot be changed"):
        thing.name = "b"
    with pytest.raises(AttributeError, match="'other' cannot be changed"):
        thing.other = "b"
    with pytest.raises(AttributeError, match="'name' cannot be deleted"):
        del thing.name
    assert thing.name == "a"


def test_equality_and_hash() -> None:
    assert Thing("a") == Thing("a", 1, {})
    assert Thing("a") != Thing("b")
    assert Thing("a") != ("a", 1, {})
    assert hash(Command("a", "b:c", "d")) == hash(Command("a", "b:c", help="d"))
    assert len({Command("a", "b:c", "d"), Command("a", "b:c", "d")}) == 1


def test_repr() -> None:
    assert repr(Thing("a")) == "Thing(name='a', size=1)"


def test_is_a_dataclass() -> None:
    thing = Thing("a", parts={"b": 1})
    assert is_dataclass(thing)
    assert [one.name for one in fields(thing)] == ["name", "size", "parts"]
    assert asdict(thing) == {"name": "a", "size": 1, "parts": {"b": 1}}
    assert replace(thing, size=3) == Thing("a", 3, {"b": 1})
    match thing:
        case Thing(name, size):
            assert (name, size) == ("a", 1)


def test_can_be_copied() -> None:
    thing = Thing("a", parts={"b": 1})
    assert copy.deepcopy(thing) == thing
    assert pickle.loads(pickle.dumps(thing)) == thing  # noqa: S301 # our own


def test_a_list_is_taken_for_a_tuple_and_text_is_not() -> None:
    assert Stage("a", "b:c", needs=["d"]).needs == ("d",)  # type: ignore[arg-type] # that is it
    with pytest.raises(TypeError, match="Stage: 'needs' is text, not a tuple of names: 'realm'"):
        Stage("a", "b:c", needs="realm")  # type: ignore[arg-type] # that is the point
