"""Reading the fields of an event that may hold anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_ID = 2**31 - 1  # what an integer column of PostgreSQL holds
LATEST_TIME = 253_402_300_799  # the last second of the year 9999


class BadField(Exception):
    """What is wrong with a field, in words for a dead letter."""


def id_field(payload: Mapping[str, object], name: str) -> int:
    """The id of a row. Raises `BadField`."""
    return _number(payload, name, LARGEST_ID)


def id_list_field(payload: Mapping[str, object], name: str) -> list[int]:
    """The ids of some rows. Raises `BadField`."""
    value = _field(payload, name)
    if not isinstance(value, list):
        raise BadField(f"{name} is not a list")
    return [_checked(each, f"{name}[{place}]", LARGEST_ID) for place, each in enumerate(value)]


def time_field(payload: Mapping[str, object], name: str) -> datetime:
    """A moment, written as whole seconds since 1970. Raises `BadField`."""
    return datetime.fromtimestamp(_number(payload, name, LATEST_TIME), UTC)


def text_field(payload: Mapping[str, object], name: str, most: int) -> str:
    """A text of at most `most` characters that a text column takes. Raises `BadField`."""
    value = _field(payload, name)
    if not isinstance(value, str):
        raise BadField(f"{name} is not a text")
    if len(value) > most:
        raise BadField(f"{name} has {len(value)} characters, more than {most}")
    if "\0" in value:
        raise BadField(f"{name} holds a NUL character")
    return value


def _number(payload: Mapping[str, object], name: str, largest: int) -> int:
    return _checked(_field(payload, name), name, largest)


def _checked(value: object, name: str, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadField(f"{name} is not a whole number")
    if not 0 <= value <= largest:
        raise BadField(f"{name} is out of range")
    return value


def _field(payload: Mapping[str, object], name: str) -> object:
    try:
        return payload[name]
    except KeyError:
        raise BadField(f"there is no {name}") from None
