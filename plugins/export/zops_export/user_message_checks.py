"""Checking the user messages of an export: most of its rows, and all of one simple form.

A block of rows is looked at as a whole, and row by row only when something in it is wrong. What is
remembered is a byte for each user and each message of one file.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from zops_export.row_kinds import USER_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zops_export.id_maps import IdMap
    from zops_export.json_rows import TypedRows
    from zops_export.notes import Notes
    from zops_export.row_kinds import UserMessage

MOST_REMEMBERED = 1 << 26  # bytes: 20,000 users and 3,000 messages of one file


class FileOrder:
    """In which file each message is, where the files are in the order of the messages."""

    def __init__(self, firsts: Sequence[tuple[int, str]]) -> None:
        """`firsts`: the lowest id of each file that has messages, and its name, ascending."""
        self._firsts = [first for first, _ in firsts]
        self._names = [name for _, name in firsts]

    def is_later(self, message: int, name: str) -> bool:
        """Is the message in a file that comes after the file `name`?"""
        place = bisect_right(self._firsts, message) - 1
        return place >= 0 and _in_order(self._names[place]) > _in_order(name)


def _in_order(name: str) -> tuple[int, str]:
    """As the numbers in the names are: from the millionth file on they are longer."""
    return len(name), name


class UserMessageChecks:
    """Notes user messages that point at nothing, come before their message, or come twice."""

    def __init__(self, ids: Mapping[str, IdMap], order: FileOrder, notes: Notes) -> None:
        self._messages = ids["zerver_message"]
        self._users = {old: place for place, old in enumerate(ids["zerver_userprofile"].old)}
        self._order = order
        self._notes = notes
        self._file = ""
        self._seen = bytearray()
        self._places: dict[int, int] = {}

    def good(self, block: TypedRows) -> bool:
        """Check the rows of a block; False when some point at nothing, which is not noted here."""
        if self._file != self._notes.file:
            self._forget()
        users, places, seen = self._users, self._places, self._seen
        rows: Sequence[UserMessage] = block.rows  # type: ignore[assignment]  # see SECOND_READING
        try:
            for row in rows:
                place = users[row.user_profile] + (places.get(row.message) or self._place(row))
                if seen[place]:
                    self._note_twice(row)
                seen[place] = 1
        except KeyError:
            return False
        return True

    def _forget(self) -> None:
        self._file = self._notes.file
        self._seen = bytearray(1)  # so that no place is 0
        self._places = {}

    def _place(self, row: UserMessage) -> int:
        """Where the users of a message are remembered. Raises `KeyError` if there is no such."""
        if self._messages.get(row.message) is None:
            raise KeyError(row.message)
        if len(self._seen) > MOST_REMEMBERED:
            self._seen[:] = b"\0"
            self._places.clear()
        self._places[row.message] = place = len(self._seen)
        self._seen.extend(bytes(len(self._users)))
        if self._order.is_later(row.message, self._file):
            name = f"{USER_MESSAGES} {row.id}"
            self._notes.problem(
                "row-too-early",
                f"{name} stands before its message {row.message}, in an earlier file",
                hint="the server's importer stops at it",
                row=name,
            )
        return place

    def _note_twice(self, row: UserMessage) -> None:
        name = f"{USER_MESSAGES} {row.id}"
        what = f"{name}: user {row.user_profile} has the message {row.message} already"
        self._notes.problem("duplicate-row", what, row=name)
