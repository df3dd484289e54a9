"""From the ids of an export to those of a database."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

Lookup = Callable[[int], int | None]

FEW = 100_000  # below this many, a dictionary costs little memory and answers faster


class IdMap:
    """The new ids of one table's rows. `get` answers None for an id that the export has not.

    Few ids are kept in a dictionary; many in two arrays, 8 bytes a row each (none for new ids
    that are a plain range).
    """

    def __init__(self, old: array[int], new: Sequence[int]) -> None:
        self.old = old
        self.new = new
        self.get: Lookup
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
        if all(old[i] < old[i + 1] for i in range(len(old) - 1)):
            return
        order = sorted(range(len(old)), key=old.__getitem__)
        self.old = array("q", (old[i] for i in order))
        self.new = array("q", (self.new[i] for i in order))

    def _search(self, ident: int) -> int | None:
        place = bisect_left(self.old, ident)
        if place < len(self.old) and self.old[place] == ident:
            return self.new[place]
        return None

    def add(self, pairs: Mapping[int, int]) -> None:
        """Rows that are not of the export's own, such as the system bots of the server."""
        if len(self.old) > FEW:
            inner = self._search
            self.get = lambda ident: (
                found if (found := inner(ident)) is not None else pairs.get(ident)
            )
        else:
            self._few.update(pairs)

    def before(self, ident: int) -> int | None:
        """The new id of the last row of the export before `ident`; None when there is none."""
        if len(self.old) <= FEW:
            self.old = array("q", sorted(self.old))
        place = bisect_left(self.old, ident)
        return self.get(self.old[place - 1]) if place else None


def identical(ids: Mapping[str, array[int]]) -> dict[str, IdMap]:
    """Maps that leave every id as it is: to check references without a database."""
    return {table: IdMap(old, old) for table, old in ids.items()}


def duplicates(ids: Iterable[int]) -> int:
    """How many ids occur more than once."""
    everything = list(ids)
    return len(everything) - len(set(everything))
