"""Lines of a CSV file or of JSON objects, as entries with the names of their fields."""

from __future__ import annotations

import codecs
import csv
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from zcore import Refused
from zops_realm.bulk.columns import field_names
from zops_realm.bulk.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

STDIN = "-"
LONGEST_LINE = 1 << 20  # bytes
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
CSV_SUFFIXES = (".csv", ".tsv")
DELIMITERS = ",;\t"
OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands on one line: values by the names that the file gives them."""

    line: int
    fields: Mapping[str, object]


@contextmanager
def opened(place: str) -> Iterator[BinaryIO]:
    """The file at `place`, `-` for standard input. Raises `Refused` when it cannot be read."""
    if place == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(place).open("rb")  # noqa: SIM115  # only the opening is looked at here
    except OSError as error:
        raise Refused(f"cannot read {place}: {error.strerror}", code="file") from error
    with file:
        yield file


def shown(place: str) -> str:
    """`place` as it stands in a message."""
    return "standard input" if place == STDIN else place


def read_entries(stream: BinaryIO, place: str) -> Iterator[Entry | Refusal]:
    """The entries of a file, and the lines that are none.

    Raises `Refused` where the file as a whole cannot be used: its encoding, its header.
    """
    lines = _text_lines(stream, place)
    first = next(lines, None)
    if first is None or not first.strip():
        raise Refused(
            f"{shown(place)} {'is empty' if first is None else 'begins with an empty line'}",
            code="file-empty",
            hint="begin it with the names of the columns: email,full_name",
        )
    every = chain([first], lines)
    if _is_json(place, first):
        return _json_entries(every, place)
    return _csv_entries(every, first, place)


def _text_lines(stream: BinaryIO, place: str) -> Iterator[str]:
    number = 0
    while raw := stream.readline(LONGEST_LINE):
        number += 1
        if len(raw) == LONGEST_LINE:
            raise Refused(
                f"line {number} of {shown(place)} is longer than a megabyte",
                code="file-line",
                hint="give one account a line",
            )
        yield _decoded(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw, number, place)


def _decoded(raw: bytes, number: int, place: str) -> str:
    try:
        if b"\0" not in raw and not raw.startswith(OTHER_MARKS):
            return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise Refused(
        f"line {number} of {shown(place)} is not UTF-8 text",
        code="file-encoding",
        hint="save the file as UTF-8 and try again",
    )


def _is_json(place: str, first: str) -> bool:
    """By the name of the file; where that says nothing, by how it begins."""
    suffix = Path(place).suffix.lower()
    if suffix in JSON_SUFFIXES:
        return True
    return suffix not in CSV_SUFFIXES and first.lstrip()[0] in "{["


def _json_entries(lines: Iterator[str], place: str) -> Iterator[Entry | Refusal]:
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.lstrip().startswith("["):
            raise Refused(
                f"{shown(place)} holds a JSON array",
                code="file-format",
                hint="give one JSON object a line instead: jq -c '.[]' makes lines of an array",
            )
        if line.strip():
            yield _json_entry(number, line)


def _json_entry(number: int, line: str) -> Entry | Refusal:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Refusal(number, "", "line-json", f"it is no JSON: {error}")
    if not isinstance(value, dict):
        return Refusal(number, "", "line-json", "it is no JSON object")
    return Entry(number, value)


def _csv_entries(lines: Iterator[str], header: str, place: str) -> Iterator[Entry | Refusal]:
    delimiter = max(DELIMITERS, key=header.count)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        names = field_names(next(rows), shown(place))
        before = rows.line_num
        for row in rows:
            if any(row):
                yield _csv_entry(before + 1, names, row)
            before = rows.line_num
    except csv.Error as error:
        raise Refused(
            f"line {rows.line_num} of {shown(place)} is no CSV: {error}",
            code="file-format",
            hint="a value with quotes, commas or line ends stands in quotes, its own are doubled",
        ) from error


def _csv_entry(line: int, names: Sequence[str], row: Sequence[str]) -> Entry | Refusal:
    if len(row) != len(names):
        message = f"it has {len(row)} values, and there are {len(names)} columns"
        return Refusal(line, "", "line-columns", message)
    return Entry(line, dict(zip(names, row, strict=True)))
