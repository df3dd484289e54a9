"""Rows out of JSON, block by block: the same as reading it whole, wherever the blocks end."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from zcore.errors import Refused
from zops_export import json_rows
from zops_export.json_rows import NotJson, read_document, read_records, read_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "messages-000007.json"
SEED = 20250131

Document = dict[str, object]

TEXTS = [
    "",
    "},{",
    "}, {",
    "}]",
    "]}",
    '"},{"',
    "\\",
    '\\"},{\\"',
    "\\\\",
    "{[}],:",
    "\n\t\r\x00\x1f\x7f",
    "grüße 日本語",
    "\U0001f600\U0010ffff",
    "\u2028\ufeff\ud7ff\ue000",
    "]" * 30,
    "},{" * 30,
    "null true 1e5",
]
NUMBERS = [0, -1, 2**63 - 1, -(2**63), 0.5, -1e-7, 1e300, 1738367999.123456, 5e-324]


def random_text(chance: random.Random) -> str:
    return "".join(chance.choice(TEXTS) for _ in range(chance.randrange(4)))


def random_value(chance: random.Random, depth: int = 0) -> object:
    kinds = [
        lambda: random_text(chance),
        lambda: chance.choice(NUMBERS),
        lambda: chance.choice([None, True, False]),
    ]
    if depth < 3:
        kinds += [
            lambda: [random_value(chance, depth + 1) for _ in range(chance.randrange(3))],
            lambda: [random_row(chance, depth + 1) for _ in range(chance.randrange(3))],
            lambda: random_row(chance, depth + 1),
        ]
    return chance.choice(kinds)()


def random_row(chance: random.Random, depth: int = 0) -> Document:
    names = ["id", "content", "},{", "ü", '"', ""]
    return {
        chance.choice(names) + str(number): random_value(chance, depth)
        for number in range(chance.randrange(4))
    }


def random_tables(chance: random.Random) -> Document:
    """Tables, with small values that are none between them."""
    found: Document = {}
    for number in range(chance.randrange(6)):
        name = f"table {number} {random_text(chance)[:20]}"
        found[name] = [random_row(chance) for _ in range(chance.choice([0, 0, 1, 2, 7, 30]))]
        if chance.random() < 0.3:
            small = [None, True, False, 12.5, -3, "a\\\"},{'", {"a": [{"b": "}"}]}, {}, ""]
            found[f"none {number}"] = chance.choice(small)
    return found


def written(chance: random.Random, document: object) -> bytes:
    """`document` in one of the many ways to write it."""
    text = json.dumps(
        document,
        ensure_ascii=chance.random() < 0.5,
        indent=chance.choice([None, None, 0, 3]),
        separators=chance.choice([(",", ":"), (", ", ": "), (" ,\n\t", " : ")]),
    )
    space = chance.choice(["", "\n", " \r\n\t "])
    return (space + text + space).encode()


class Dripping(io.BytesIO):
    """A stream that gives less than it was asked for, as streams may."""

    def __init__(self, content: bytes, chance: random.Random) -> None:
        super().__init__(content)
        self.chance = chance

    def read(self, size: int | None = -1) -> bytes:
        most = 1 << 30 if size is None or size < 0 else size
        return super().read(self.chance.randint(1, max(1, most)))


def tables_of(content: bytes | io.BytesIO) -> dict[str, list[Document]]:
    """All rows by table, as `read_tables` gives them."""
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    found: dict[str, list[Document]] = {}
    for block in read_tables(stream, NAME):
        found.setdefault(block.table, []).extend(block.rows)
    return found


def lists_of(document: Document) -> Document:
    return {name: value for name, value in document.items() if isinstance(value, list)}


@pytest.fixture
def block_bytes(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """`block_bytes.setattr(json_rows, "BLOCK_BYTES", ...)`, put back afterwards."""
    with monkeypatch.context() as patch:
        yield patch


# --- the same as reading it whole


@pytest.mark.parametrize("turn", range(150))
def test_random_documents_at_random_block_sizes(turn: int, block_bytes: pytest.MonkeyPatch) -> None:
    chance = random.Random(SEED + turn)  # noqa: S311
    document = random_tables(chance)
    content = written(chance, document)
    block_bytes.setattr(json_rows, "BLOCK_BYTES", chance.choice([128, 129, 200, 999, 1 << 20]))
    assert tables_of(Dripping(content, chance)) == lists_of(json.loads(content))


def test_every_block_size(block_bytes: pytest.MonkeyPatch) -> None:
    """So that each byte of a document is the last of a block once."""
    document = {
        "a": [{"id": 1, "text": '},{ \\ " é \U0001f600'}, {"id": -12.5e-3, "list": [{"x": None}]}],
        "empty": [],
        "b": [{"deep": [[{"a": True}, {"b": False}], [], {}]}, {}, {"\U0001f600},{": 123456789}],
    }
    for ascii_only in (False, True):
        content = json.dumps(document, ensure_ascii=ascii_only).encode()
        for size in range(1, len(content) + 2):
            block_bytes.setattr(json_rows, "BLOCK_BYTES", size)
            assert tables_of(content) == document, size


@pytest.mark.parametrize(
    "value",
    [
        "123456789.123456e-10",
        "-0",
        "1E+5",
        "true",
        "false",
        "null",
        '"\\ud83d\\ude00"',
        '"\\u00e9"',
    ],
)
def test_a_value_cut_where_a_block_ends(value: str, block_bytes: pytest.MonkeyPatch) -> None:
    content = f'{{"a":[{{"x":{value}}},{{"x":{value}}},{{"y":[{value},{value}]}}]}}'.encode()
    for size in range(1, len(content) + 2):
        block_bytes.setattr(json_rows, "BLOCK_BYTES", size)
        assert tables_of(content) == json.loads(content)


@pytest.mark.parametrize("turn", range(30))
def test_random_records(turn: int, block_bytes: pytest.MonkeyPatch) -> None:
    chance = random.Random(SEED + turn)  # noqa: S311
    records = [random_row(chance) for _ in range(chance.choice([0, 1, 2, 50]))]
    block_bytes.setattr(json_rows, "BLOCK_BYTES", chance.choice([1, 7, 64, 1000]))
    content = written(chance, records)
    assert list(read_records(Dripping(content, chance), NAME, 1000)) == json.loads(content)


def test_a_row_larger_than_a_block(block_bytes: pytest.MonkeyPatch) -> None:
    block_bytes.setattr(json_rows, "BLOCK_BYTES", 100)
    rows = [{"text": "},{" * size, "next": [{"a": 1}, {"b": 2}]} for size in (1, 20_000, 3, 5_000)]
    assert tables_of(json.dumps({"a": rows, "b": rows}).encode()) == {"a": rows, "b": rows}


def test_rows_come_in_several_blocks_in_file_order(block_bytes: pytest.MonkeyPatch) -> None:
    block_bytes.setattr(json_rows, "BLOCK_BYTES", 1000)
    rows = [{"id": number, "text": "x" * 50} for number in range(200)]
    content = json.dumps({"a": rows, "b": rows}).encode()
    blocks = list(read_tables(io.BytesIO(content), NAME))
    names = [block.table for block in blocks]
    assert names == sorted(names)
    assert names.count("a") > 5
    assert [row for block in blocks if block.table == "b" for row in block.rows] == rows
    assert max(len(block.rows) for block in blocks) < 100


def test_an_empty_list_is_seen_and_other_values_are_passed_over() -> None:
    content = (
        b'{"n": null, "empty": [], "number": -1.5e3, "spaced": [ \n ], "t": true, '
        b'"text": "},{\\"[", "object": {"a": [{"b": 1}], "c": {}}, "rows": [{}], "last": {}}'
    )
    blocks = list(read_tables(io.BytesIO(content), NAME))
    assert [(block.table, block.rows) for block in blocks] == [
        ("empty", []),
        ("spaced", []),
        ("rows", [{}]),
    ]


@pytest.mark.parametrize("content", [b"{}", b" { } ", b"\n{\n}\n"])
def test_no_tables(content: bytes) -> None:
    assert tables_of(content) == {}


def test_a_document_is_read_whole() -> None:
    value = {"a": [1, None, "\U0001f600"], "b": {"c": 1.5}}
    assert read_document(io.BytesIO(json.dumps(value).encode()), NAME) == value


# --- what is no JSON

ROW = b'{"id": 1, "text": "a"}'
BROKEN = {
    "nothing": b"",
    "space": b" \n ",
    "a word": b"null",
    "a list": b"[{}]",
    "not JSON": b"<html>",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": []}'.encode("utf-16"),
    "ends in a key": b'{"a',
    "ends behind a key": b'{"a"',
    "ends behind a colon": b'{"a":',
    "ends behind a bracket": b'{"a": [',
    "ends in a row": b'{"a": [{"id": 1',
    "ends in a text": b'{"a": [{"id": "x},{',
    "ends in an escape": b'{"a": [{"id": "\\',
    "ends in a number": b'{"a": [{"id": 12',
    "ends behind a row": b'{"a": [' + ROW,
    "ends behind a comma": b'{"a": [' + ROW + b",",
    "ends behind a list": b'{"a": [' + ROW + b"]",
    "ends behind a table's comma": b'{"a": [],',
    "ends in an object": b'{"a": {"b": 1',
    "ends in a value": b'{"a": "tex',
    "a comma too many in a list": b'{"a": [' + ROW + b",]}",
    "a comma too many in a row": b'{"a": [{"id": 1,}]}',
    "a comma too many in the file": b'{"a": [],}',
    "two commas between rows": b'{"a": [' + ROW + b",," + ROW + b"]}",
    "no comma between rows": b'{"a": [' + ROW + ROW + b"]}",
    "no comma between tables": b'{"a": [] "b": []}',
    "no colon": b'{"a" []}',
    "no key": b"{[]}",
    "a number as key": b"{1: []}",
    "a key without quotes": b"{a: []}",
    "no value": b'{"a": , "b": []}',
    "single quotes": b"{'a': []}",
    "the wrong bracket": b'{"a": [' + ROW + b"}",
    "a list in a list": b'{"a": [[' + ROW + b"]]}",
    "a word among rows": b'{"a": [' + ROW + b", null]}",
    "something behind": b'{"a": []} {}',
    "a bracket behind": b'{"a": []}]',
    "not UTF-8 in a row": b'{"a": [{"x": "\xff"}]}',
    "not UTF-8 in a key": b'{"\xff": []}',
    "half a character": b'{"a": [{"x": "\xc3"}]}',
    "half a surrogate": b'{"a": [{"x": "\\ud83d"}]}',
    "an unknown escape": b'{"a": [{"x": "\\q"}]}',
    "a line end in a text": b'{"a": [{"x": "1\n2"}]}',
    "NaN": b'{"a": [{"x": NaN}]}',
    "a wrong number": b'{"a": [{"x": 01}]}',
    "a wrong word": b'{"a": [{"x": nulL}]}',
    "nested very deeply": b'{"a": [{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    "an object nested very deeply": b'{"a": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "a zero byte": b'{"a": [\x00]}',
}


@pytest.mark.parametrize("size", [1, 16, 1 << 20])
@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_the_file_s_name(
    content: bytes, size: int, block_bytes: pytest.MonkeyPatch
) -> None:
    block_bytes.setattr(json_rows, "BLOCK_BYTES", size)
    with pytest.raises(NotJson, match=NAME) as caught:
        tables_of(content)
    assert isinstance(caught.value, Refused)
    assert caught.value.code == "not-json"
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_damage_in_a_later_block_is_found(place: float, block_bytes: pytest.MonkeyPatch) -> None:
    block_bytes.setattr(json_rows, "BLOCK_BYTES", 500)
    content = bytearray(json.dumps({"a": [{"id": 1, "text": "x" * 30}] * 200}).encode())
    content[content.index(b":", int(len(content) * place))] = ord(";")
    with pytest.raises(NotJson, match=NAME):
        tables_of(bytes(content))


@pytest.mark.parametrize("cut", range(1, 60, 3))
def test_a_file_cut_short_is_found_wherever_it_was_cut(cut: int) -> None:
    content = json.dumps({"a": [{"id": 1}, {"id": 2}], "b": [], "c": {"d": 1}, "e": [{}]}).encode()
    with pytest.raises(NotJson, match=NAME):
        tables_of(content[:-cut])


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"null", b"[", b"[{}", b"[{},]", b"[1]", b"[[]]", b'["a"]', b"[{]"]
)
def test_records_that_are_no_list_of_objects(content: bytes) -> None:
    with pytest.raises(NotJson, match=NAME):
        list(read_records(io.BytesIO(content), NAME, 1000))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1,]", b"\xff", b'"\xff"', b"{} {}", b"[" * 100_000, b"nope"]
)
def test_a_document_that_is_no_json(content: bytes) -> None:
    with pytest.raises(NotJson, match=NAME) as caught:
        read_document(io.BytesIO(content), NAME)
    assert len(caught.value.message) < 300


def test_a_row_too_large_is_refused(block_bytes: pytest.MonkeyPatch) -> None:
    """Rather than to fill the memory with what may be no row at all."""
    block_bytes.setattr(json_rows, "BLOCK_BYTES", 100)
    block_bytes.setattr(json_rows, "LARGEST_ROW_BYTES", 10_000)
    with pytest.raises(NotJson, match="larger than 10,000 bytes"):
        tables_of(json.dumps({"a": [{"x": "y" * 100_000}]}).encode())


def test_a_row_of_too_many_parts_is_refused() -> None:
    """Each takes twenty times its bytes of memory."""
    content = b'{"a": [{"x": [' + b"[]," * json_rows.MOST_PARTS
    with pytest.raises(NotJson, match="more than 1,048,576 parts"):
        tables_of(content)


def test_a_key_too_long_is_refused() -> None:
    with pytest.raises(NotJson, match="a key is longer than"):
        tables_of(b'{"' + b"x" * (3 << 20))


def test_more_records_than_there_can_be_are_refused() -> None:
    content = io.BytesIO(b"[" + b"{}," * 10 + b"{}]")
    with pytest.raises(NotJson, match="more than 10 records"):
        list(read_records(content, NAME, 10))


# --- memory


class Made(io.RawIOBase):
    """A stream of `rows` rows that are made while they are read."""

    def __init__(self, rows: int, row: bytes) -> None:
        self.parts = self._all(rows, row)
        self.rest = b""
        self.given = 0

    @staticmethod
    def _all(rows: int, row: bytes) -> Iterator[bytes]:
        yield b'{"a": ['
        for number in range(rows):
            yield (b"," if number else b"") + row
        yield b'], "b": []}'

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size and (part := next(self.parts, b"")):
            self.rest += part
        found, self.rest = self.rest[:size], self.rest[size:]
        self.given += len(found)
        return found


def test_a_file_of_fifty_megabytes_needs_a_few() -> None:
    row = json.dumps({"id": 1, "content": "x},{ y" + "z" * 12_000, "list": [{"a": 1}]}).encode()
    stream = Made(4500, row)
    tracemalloc.start()
    try:
        count = sum(len(block.rows) for block in read_tables(stream, NAME))  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 4500
    assert stream.given > 50_000_000
    assert peak < 16_000_000
