"""Many numbers as a short text: the ranges that they make."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence


def as_text(numbers: Sequence[int]) -> str:
    """Ascending numbers as text: "4-9,12-12"."""
    return ",".join(f"{first}-{last}" for first, last in _ranges(numbers))


def from_text(text: str) -> Sequence[int]:
    """The numbers of which `as_text` made the text."""
    ends = [part.split("-") for part in text.split(",") if part]
    found = [range(int(first), int(last) + 1) for first, last in ends]
    if len(found) == 1:
        return found[0]
    return array("q", (number for some in found for number in some))


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The first and last number of each range."""
    if isinstance(numbers, range):
        if numbers:
            yield numbers[0], numbers[-1]
        return
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last
