"""JSON of any size, row by row: the tables of an export are read in blocks of rows.

A file of an export is one object whose values are mostly arrays of rows, and may be larger than
memory. The parser below cuts a block of whole rows out of the stream and gives it to a fast JSON
decoder. It finds the cut without looking into the rows: a place that looks like the border
between two rows (`}` `,` `{`) is one exactly when everything before it decodes as complete rows,
because JSON can be read in only one way from its beginning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec

from zcore import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 18  # with what is made of it, about what a processor has near by
LARGEST_ROW_BYTES = 1 << 24
MOST_PARTS = 1 << 20  # of a row that is larger than a block; each takes 60 bytes of memory
LONGEST_KEY_BYTES = 1 << 16
LARGEST_DOCUMENT_BYTES = 1 << 26
LARGEST_SMALL_BYTES = 1 << 23
LARGEST_VALUE_BYTES = 1 << 20
LONGEST_WORD = 64

JsonRow = dict[str, object]
Decoded = list[JsonRow] | list[msgspec.Struct]

PARTS = (b"[", b"{", b",")
BORDER = re.compile(rb"\}(\s*),\s*\{(?=\s*[\"}])")
TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
PLACE = re.compile(r"\(byte (\d+)\)")
SPACE = re.compile(rb"\s*")
SCALAR = re.compile(rb"[^,}\]\s]+")
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of one table, in file order."""

    table: str
    rows: list[JsonRow]


@dataclass(frozen=True, slots=True)
class TypedRows:
    """Some rows of one table, in file order, each of the type that was asked for."""

    table: str
    rows: list[msgspec.Struct]


Kinds = Mapping[str, msgspec.json.Decoder[Any]]
"""By table: what decodes a list of its rows into structs. Other tables' rows come as they are."""


class NotJson(Refused):
    """The file is not JSON, or not of the shape that exports have."""

    code = "not-json"


def read_tables(stream: BinaryIO, name: str) -> Iterator[Rows]:
    """The rows of each table in the file `name`, block by block, in file order.

    A table whose list is empty comes once, without rows, so that its presence is seen. Values that
    are no list are passed over. Raises `NotJson` naming the file and what is wrong, also for a list
    of something other than objects.
    """
    for block in _Parser(stream, name).tables():
        if isinstance(block, Rows):  # as all are without kinds
            yield block


def read_blocks(
    stream: BinaryIO, name: str, kinds: Kinds, words: dict[str, str] | None = None
) -> Iterator[Rows | TypedRows]:
    """As `read_tables`; rows of some tables in structs, which are read faster and take less memory.

    A block with a row that does not fit its struct comes as it is. Values that are a word or a
    number are put into `words`, as they stand there.
    """
    return _Parser(stream, name, kinds, words).tables()


def read_records(stream: BinaryIO, name: str, most: int) -> Iterator[JsonRow]:
    """The objects of a file that is one array (`records.json`).

    Raises `NotJson`, also for more than `most`.
    """
    parser = _Parser(stream, name)
    parser.expect(b"[")
    count = 0
    for block in parser.array("records"):
        count += len(block.rows)
        if count > most:
            raise parser.broken(f"it has more than {most:,} records, and there are fewer files")
        if isinstance(block, Rows):
            yield from block.rows


def read_document(stream: BinaryIO, name: str) -> object:
    """A small file, whole. Raises `NotJson`."""
    content = stream.read(LARGEST_SMALL_BYTES + 1)
    if len(content) > LARGEST_SMALL_BYTES:
        raise NotJson(f"{name} is larger than {LARGEST_SMALL_BYTES:,} bytes")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(f"{name} is not JSON: {error}") from error


class _Parser:
    def __init__(
        self,
        stream: BinaryIO,
        name: str,
        kinds: Kinds = MappingProxyType({}),
        words: dict[str, str] | None = None,
    ) -> None:
        self.stream = stream
        self.name = name
        self.kinds = kinds
        self.words = {} if words is None else words
        self.buffer = b""
        self.ended = False

    def tables(self) -> Iterator[Rows | TypedRows]:
        self.expect(b"{")
        seen: set[str] = set()
        if self.peek() == b"}":
            return
        while True:
            table = self.string()
            if table in seen:
                raise self.broken(f"{table} stands in it twice")
            seen.add(table)
            self.expect(b":")
            if self.peek() == b"[":
                self.expect(b"[")
                yield from self.array(table)
            else:
                self.skip_value(table)
            if self.expect(b",}") == b"}":
                break
        if self.peek():
            raise self.broken("there is something behind its end")

    def array(self, table: str) -> Iterator[Rows | TypedRows]:
        """The rows of an array whose `[` was just read, with its `]`."""
        if self.peek() == b"]":
            self.expect(b"]")
            yield Rows(table, [])
            return
        while True:
            rows, more = self.block(table)
            yield _rows(table, rows)
            if not more:
                return

    def block(self, table: str) -> tuple[Decoded, bool]:
        """Cut whole rows off the buffer; False when the array ended with them."""
        wanted = BLOCK_BYTES
        while True:
            self.fill(wanted)
            limit = len(self.buffer)
            step = 0
            while border := self.last_border(limit):
                cut = border.start() + 1
                rows, end = self.decode(table, cut, b"]")
                if rows is not None:
                    self.buffer = self.buffer[border.end() - 1 :]
                    return rows, True
                if end is not None:
                    return self.finish(end, table), False
                # Ever further back: a text full of what looks like borders costs few trials.
                limit = border.start() - step
                step = 2 * step + 1
            rows, end = self.decode(table, len(self.buffer))
            if rows is not None:
                self.buffer = b""
                return rows, False
            if end is not None:
                return self.finish(end, table), False
            if self.ended:
                raise self.broken(f"it ends in the middle of {table}")
            if sum(map(self.buffer.count, PARTS)) > MOST_PARTS:
                raise self.broken(f"a row of {table} has more than {MOST_PARTS:,} parts")
            if wanted >= LARGEST_ROW_BYTES:
                raise self.broken(f"a row of {table} is larger than {LARGEST_ROW_BYTES:,} bytes")
            wanted = min(len(self.buffer) * 2, LARGEST_ROW_BYTES)

    def last_border(self, limit: int) -> re.Match[bytes] | None:
        """The last place before `limit` that looks like the border between two rows."""
        while (comma := self.buffer.rfind(b"}", 0, limit)) > 0:
            if (match := BORDER.match(self.buffer, comma)) and match.end() <= len(self.buffer):
                return match
            limit = comma
        return None

    def decode(
        self, table: str, size: int, closing: bytes = b""
    ) -> tuple[Decoded | None, int | None]:
        """Decode `[`, `size` bytes, `closing`.

        Gives the rows; or where the array ended before; or neither: it is not finished.
        """
        text = b"".join((b"[", memoryview(self.buffer)[:size], closing))
        try:
            return self.decoded(text, table), None
        except msgspec.ValidationError as error:
            raise self.broken(f"{table}: {error}") from error
        except msgspec.DecodeError as error:
            if found := TRAILING.search(str(error)):
                # The decoder counts the bytes up to and with the first one that does not belong.
                return None, text.rfind(b"]", 1, int(found.group(1)))
            if "truncated" in str(error) or self.cut_off(error, len(text) - 1):
                return None, None
            raise self.broken(f"{table}: {error}") from error
        except UnicodeDecodeError as error:
            raise self.broken(f"{table}: text that is not UTF-8") from error
        except RecursionError as error:
            raise self.broken(f"{table}: it is nested too deeply") from error

    def decoded(self, rows: bytes, table: str) -> Decoded:
        kind = self.kinds.get(table)
        if kind is not None:
            with suppress(msgspec.ValidationError):
                return cast("list[msgspec.Struct]", kind.decode(rows))
        return ROWS.decode(rows)

    def cut_off(self, error: msgspec.DecodeError, size: int) -> bool:
        """Is it a number or a word that goes on where the buffer ends?"""
        place = PLACE.search(str(error))
        return not self.ended and place is not None and size - int(place.group(1)) < LONGEST_WORD

    def finish(self, end: int, table: str) -> Decoded:
        """The last rows of an array that ends `end` bytes into the buffer."""
        rows, _ = self.decode(table, end)
        if rows is None:
            raise self.broken(f"{table} cannot be read")
        self.buffer = self.buffer[end:]
        return rows

    def string(self) -> str:
        self.expect(b'"', keep=True)
        while not (found := STRING.match(self.buffer)) and not self.ended:
            if len(self.buffer) > LONGEST_KEY_BYTES:
                raise self.broken(f"a key is longer than {LONGEST_KEY_BYTES:,} bytes")
            self.fill(len(self.buffer) + BLOCK_BYTES)
        try:
            text = msgspec.json.decode(found.group() if found else b"", type=str)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.broken("a key cannot be read") from error
        self.buffer = self.buffer[len(found.group()) if found else 0 :]
        return text

    def skip_value(self, key: str) -> None:
        """Pass over a value that is no list: a word, a number, or a small object."""
        self.peek()
        self.fill(LARGEST_VALUE_BYTES)
        if self.buffer[:1] in (b"{", b'"'):
            try:
                msgspec.json.decode(self.buffer)
            except RecursionError as error:
                raise self.broken("it is nested too deeply") from error
            except msgspec.DecodeError as error:
                if found := TRAILING.search(str(error)):
                    self.buffer = self.buffer[int(found.group(1)) - 1 :]
                    return
                raise self.broken(str(error)) from error
        if not (match := SCALAR.match(self.buffer)):
            raise self.broken("a value is missing")
        self.words[key] = match.group().decode("utf-8", "replace")
        self.buffer = self.buffer[match.end() :]

    def peek(self) -> bytes:
        """The next byte that is no space; nothing at the end of the file."""
        while True:
            match = SPACE.match(self.buffer)
            self.buffer = self.buffer[match.end() if match else 0 :]
            if self.buffer or self.ended:
                return self.buffer[:1]
            self.fill(1)

    def expect(self, choices: bytes, *, keep: bool = False) -> bytes:
        found = self.peek()
        if not found:
            raise self.broken("it ends too early")
        if found not in choices:
            wanted = " or ".join(repr(chr(choice)) for choice in choices)
            raise self.broken(f"{wanted} is missing")
        if not keep:
            self.buffer = self.buffer[1:]
        return found

    def fill(self, size: int) -> None:
        """Read until the buffer holds `size` bytes, or the file ends."""
        missing = size - len(self.buffer)
        if missing > 0 and not self.ended:
            parts = [self.buffer]
            while missing > 0 and (part := self.stream.read(max(missing, BLOCK_BYTES // 4))):
                parts.append(part)
                missing -= len(part)
            self.ended = missing > 0
            self.buffer = b"".join(parts)

    def broken(self, reason: str) -> NotJson:
        return NotJson(f"{self.name} is not JSON of an export: {reason}")


def _rows(table: str, rows: Decoded) -> Rows | TypedRows:
    if rows and isinstance(rows[0], msgspec.Struct):
        return TypedRows(table, rows)
    return Rows(table, cast("list[JsonRow]", rows))


ROWS = msgspec.json.Decoder(list[JsonRow])
