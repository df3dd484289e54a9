"""The second of two readings of an export that is verified: every row, and every sum."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, cast

from zops_export.checking import RowChecks
from zops_export.export_index import DATA_FILES
from zops_export.export_layout import is_message_file
from zops_export.json_rows import NotJson, Rows, TypedRows, read_blocks
from zops_export.row_kinds import SECOND_READING, plain
from zops_export.user_message_checks import FileOrder, UserMessageChecks

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Mapping

    from zops_export.export_source import Streamed
    from zops_export.manifest import ListedFile
    from zops_export.notes import Notes
    from zops_export.survey import Survey

BLOCK_BYTES = 1 << 20


def read_again(
    source: Streamed, found: Survey, notes: Notes, may_go_on: Callable[[], None]
) -> None:
    """Note rows that are wrong, and files that are not what the manifest says they were.

    Of an export that is broken only the sums are compared: most references would lead nowhere.
    """
    listed = found.manifest.files if found.manifest is not None else {}
    rows = None if found.broken else _Rows(found, notes, may_go_on)
    for name, content in source.files(_Wanted(listed, with_rows=rows is not None)):
        may_go_on()
        notes.file = name
        hashing = _Hashing(content)
        if rows is not None and _has_rows(name):
            rows.check(name, cast("BinaryIO", hashing))
        hashing.drain(may_go_on)
        if name in listed:
            _compare(source.sizes[name], hashing.hexdigest(), listed[name], notes)


def _compare(size: int, digest: str, listed: ListedFile, notes: Notes) -> None:
    hint = "something has changed it since it was exported: take another copy"
    if size != listed.size:
        what = f"it is not what was exported: it has {size:,} bytes, and had {listed.size:,}"
        notes.problem("changed-file", what, hint)
    elif digest != listed.sha256:
        notes.problem("changed-file", "it is not what was exported: its checksum differs", hint)


def _has_rows(name: str) -> bool:
    return name in DATA_FILES or is_message_file(name)


class _Wanted:
    """The names of the files that are read a second time."""

    def __init__(self, listed: Mapping[str, ListedFile], *, with_rows: bool) -> None:
        self._listed = listed
        self._with_rows = with_rows

    def __contains__(self, name: object) -> bool:
        return name in self._listed or (self._with_rows and _has_rows(str(name)))


class _Rows:
    """Checks the rows of files, in any order."""

    def __init__(self, found: Survey, notes: Notes, may_go_on: Callable[[], None]) -> None:
        self._notes = notes
        self._may_go_on = may_go_on
        self._adapting = found.adapting
        self._checks = RowChecks(found.index, notes)
        self._user_messages = UserMessageChecks(self._checks.ids, _order(found), notes)

    def check(self, name: str, content: BinaryIO) -> None:
        blocks = read_blocks(content, name, SECOND_READING)
        if not self._notes.every_key_known:  # else it is of 10.0, and nothing has another name
            blocks = self._adapting.adapted(blocks)
        try:
            for block in blocks:
                self._may_go_on()
                self._block(block)
        except NotJson as error:  # such as an unfit value, which the first reading passes over
            self._notes.problem(error.code, error.message)

    def _block(self, block: Rows | TypedRows) -> None:
        if isinstance(block, TypedRows):
            if self._user_messages.good(block):
                return
            block = Rows(block.table, plain(block))
        self._checks.check(block)


def _order(found: Survey) -> FileOrder:
    """The order of the files of messages; none where they are not in that of the messages."""
    ids = found.index.ids["zerver_message"]
    spans = sorted((name, span) for name, span in found.spans.items() if span[0] < span[1])
    ends = [(_lowest(ids, span), _highest(ids, span), name) for name, span in spans]
    if any(one[1] >= other[0] for one, other in pairwise(ends)):
        return FileOrder([])
    return FileOrder([(lowest, name) for lowest, _, name in ends])


def _lowest(ids: array[int], span: tuple[int, int]) -> int:
    return min(ids[slice(*span)])


def _highest(ids: array[int], span: tuple[int, int]) -> int:
    return max(ids[slice(*span)])


class _Hashing:
    """A content that knows the SHA-256 of what was read of it."""

    def __init__(self, content: BinaryIO) -> None:
        self._content = content
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._content.read(size)
        self._hash.update(block)
        return block

    def drain(self, may_go_on: Callable[[], None]) -> None:
        """Read the rest."""
        while self.read(BLOCK_BYTES):
            may_go_on()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
