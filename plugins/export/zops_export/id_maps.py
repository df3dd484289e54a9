"""From the ids of an export to those of a database."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

Lookup = Callable[[int], int | None]

FEW = 20_000  # up to this many, a dictionary costs little memory (2 MB) and answers faster


class IdMap:
    """The new ids of one table's rows. `get` answers None for an id that the export has not.

    Few ids are kept in a dictionary; many in two arrays, 8 bytes a row each (none for new ids
    that are a plain range).
    """

    def __init__(self, old: array[int], new: Sequence[int]) -> None:
        self.old = old
        self.new = new
        self.get: Lookup
        self._ascending: array[int] | None = None
        self._asked: int | None = None
        self._answer: int | None = None
        if len(old) <= FEW:
            self._few = dict(zip(old, new, strict=True))
            self.get = self._few.get
        else:
            self._few = {}
            self._sort()
            self.get = self._search

    def __len__(self) -> int:
        return len(self.old) or len(self._few)

    def _sort(self) -> None:
        old = self.old
        if _is_ascending(old):
            return
        order = sorted(range(len(old)), key=old.__getitem__)
        self.old = array("q", (old[i] for i in order))
        self.new = array("q", (self.new[i] for i in order))

    def _search(self, ident: int) -> int | None:
        """Rows of one message stand together: mostly what was asked last is asked again."""
        if ident != self._asked:
            self._answer = self._find(ident)
            self._asked = ident
        return self._answer

    def _find(self, ident: int) -> int | None:
        place = bisect_left(self.old, ident)
        if place < len(self.old) and self.old[place] == ident:
            return self.new[place]
        return self._few.get(ident)

    def add(self, pairs: Mapping[int, int]) -> None:
        """Rows that are not of the export's own, such as the system bots of the server."""
        self._few.update(pairs)
        self._asked = None

    def known(self) -> set[int]:
        """All ids that it has an answer for."""
        return {*self.old, *self._few}

    def before(self, ident: int) -> int | None:
        """The new id of the last row of the export before `ident`; None when there is none."""
        if self._ascending is None:
            many = len(self.old) > FEW
            self._ascending = self.old if many else array("q", sorted(self.old))
        place = bisect_left(self._ascending, ident)
        return self.get(self._ascending[place - 1]) if place else None


def identical(ids: Mapping[str, array[int]]) -> dict[str, IdMap]:
    """Maps that leave every id as it is: to check references without a database."""
    return {table: IdMap(old, old) for table, old in ids.items()}


def first_duplicate(ids: array[int]) -> int | None:
    """The lowest id that occurs more than once; None when each occurs once."""
    if _is_ascending(ids):
        return None
    ordered = sorted(ids)
    return next((one for one, other in pairwise(ordered) if one == other), None)


def _is_ascending(ids: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(ids))
