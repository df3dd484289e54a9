"""Checking the message files of an export while they are read for the first time.

A block of rows is looked at as a whole: that what its rows point at is there, and that no user has
a message twice. Only when something is wrong it is looked at row by row, so that it can be named.
Messages are known by then in the order of their files; what points at one that has not come yet
is remembered, 8 bytes each, until all of them are known.
"""

from __future__ import annotations

from array import array
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from zcore.schema import tables
from zcore.schema.facts import Form, json_key, references
from zops_export.json_rows import JsonRow, Rows, TypedRows
from zops_export.row_kinds import MESSAGES, USER_MESSAGES
from zops_export.row_shapes import rows_decoder
from zops_export.value_limits import NUL, search_vector

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import sqlalchemy as sa

    from zops_export.checking import RowChecks
    from zops_export.json_rows import Kinds
    from zops_export.notes import Notes
    from zops_export.row_kinds import UserMessage

USER_BITS = 31  # the key of a user has as many
MOST_REMEMBERED = 1 << 18  # user messages of one file: some 20 MB


def message_kinds() -> Kinds:
    """What decodes the rows of message files, and checks their types on the way."""
    return {name: rows_decoder(tables[name]) for name in (MESSAGES, USER_MESSAGES)}


class SeenMessages:
    """The messages that are known so far. Answers as an `IdMap` that leaves each id as it is."""

    def __init__(self) -> None:
        self.here: set[int] = set()
        self.elsewhere: dict[str, array[int]] = {}
        self._file = ""

    def begin(self, file: str) -> None:
        """Forget the messages of the file before."""
        self._file = file
        self.here = set()

    def get(self, ident: int) -> int | None:
        """The id, of a message that is in another file, too: that is looked at in the end."""
        if ident not in self.here:
            self.remember([ident])
        return ident

    def remember(self, ids: Collection[int]) -> None:
        """These are in other files, if anywhere."""
        self.elsewhere.setdefault(self._file, array("q")).extend(ids)


class MessageChecks:
    """Checks blocks of message files. `begin` says which file they are of.

    `thorough`: also whether a user has a message twice, and what the full-text search knows of a
    message. That takes longer than all else of it; the database looks at both, too.
    """

    def __init__(
        self, rows: RowChecks, seen: SeenMessages, notes: Notes, *, thorough: bool = True
    ) -> None:
        self._rows = rows
        self._seen = seen
        self._notes = notes
        self._is_thorough = thorough
        self._pairs: list[set[int]] = []  # who has which message of the file, by block
        self._points = _Points(tables[MESSAGES])
        targets = {"zerver_userprofile", *self._points.targets}
        self._known = {name: rows.ids[name].known() for name in targets}

    def begin(self, file: str) -> None:
        """What comes now is of that file."""
        self._notes.file = file
        self._seen.begin(file)
        self._pairs.clear()

    def take(self, ids: Collection[int]) -> None:
        """These messages are in the file."""
        self._seen.here.update(ids)

    def check(self, block: Rows | TypedRows) -> None:
        """Note what is wrong with the rows of a block."""
        if isinstance(block, Rows):
            self._rows.check(block)
        elif block.table == USER_MESSAGES:
            self._user_messages(block)
        elif self._points.are_known(block.rows, self._known):
            odd = self._points.odd(block.rows, self._known["zerver_userprofile"])
            if self._is_thorough:
                odd += [row for row in block.rows if _has_odd_vector(row)]
            self._rows.check(Rows(block.table, list(map(_plain, odd))))
        else:
            self._rows.check(_as_rows(block))

    def _user_messages(self, block: TypedRows) -> None:
        rows: Sequence[UserMessage] = block.rows  # type: ignore[assignment]  # of the same keys
        users = {row.user_profile for row in rows}
        messages = {row.message for row in rows}
        if not self._known["zerver_userprofile"] >= users:
            self._rows.check(_as_rows(block))
        elif not messages <= self._seen.here:
            self._seen.remember(messages - self._seen.here)
        if self._is_thorough:
            self._check_pairs(rows)

    def _check_pairs(self, rows: Sequence[UserMessage]) -> None:
        pairs = {row.message << USER_BITS | row.user_profile for row in rows}
        if len(pairs) < len(rows) or not all(map(pairs.isdisjoint, self._pairs)):
            self._note_twice(rows)
        if sum(map(len, self._pairs)) > MOST_REMEMBERED:
            self._pairs.clear()
        self._pairs.append(pairs)

    def _note_twice(self, rows: Sequence[UserMessage]) -> None:
        pairs: set[int] = set().union(*self._pairs)
        for row in rows:
            pair = row.message << USER_BITS | row.user_profile
            if pair in pairs:
                name = f"{USER_MESSAGES} {row.id}"
                what = f"{name}: user {row.user_profile} has the message {row.message} already"
                self._notes.problem("duplicate-row", what, row=name)
            pairs.add(pair)


class _Points:
    """What messages point at, and what of them has to be looked into."""

    def __init__(self, table: sa.Table) -> None:
        self._keys = [
            (attrgetter(json_key(column)), reference.target)
            for column in table.columns
            for reference in references(column)
            if reference.form is Form.NUMBER and column.name != "id"
        ]

        self.targets = frozenset(target for _, target in self._keys)

    def are_known(self, rows: Sequence[msgspec.Struct], known: Mapping[str, set[int]]) -> bool:
        """Does everything that they point at exist?"""
        return all(known[target] >= set(map(get, rows)) for get, target in self._keys)

    def odd(self, rows: Sequence[msgspec.Struct], users: set[int]) -> list[msgspec.Struct]:
        """Those with somebody unknown in their history, and those with what no text can have."""
        return [
            row
            for row in rows
            if NUL in row.content  # type: ignore[attr-defined]  # see `row_shape`
            or NUL in row.subject  # type: ignore[attr-defined]
            or NUL in (row.rendered_content or "")  # type: ignore[attr-defined]
            or NUL in (row.search_tsvector or "")  # type: ignore[attr-defined]
            or (row.edit_history and not _is_by(users, row.edit_history))  # type: ignore[attr-defined]
        ]


def _has_odd_vector(row: msgspec.Struct) -> bool:
    vector: str | None = row.search_tsvector  # type: ignore[attr-defined]  # see `row_shape`
    return vector is not None and NUL not in vector and bool(search_vector(vector))


class _Edit(msgspec.Struct, gc=False):
    """An entry of an edit history, of which only the author is read."""

    user_id: int | None = None


HISTORY = msgspec.json.Decoder(list[_Edit])


def _is_by(users: set[int], history: str) -> bool:
    """Is everybody known who stands in it as an author?"""
    try:
        authors = {edit.user_id for edit in HISTORY.decode(history)}
    except (msgspec.MsgspecError, RecursionError):
        return False
    return NUL not in history and authors - {None} <= users


def _plain(row: msgspec.Struct) -> JsonRow:
    return msgspec.structs.asdict(row)


def _as_rows(block: TypedRows) -> Rows:
    return Rows(block.table, [_plain(row) for row in block.rows])
