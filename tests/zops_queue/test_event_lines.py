"""Reading events from files: everything is looked at before anything is published."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from zcore.errors import Refused
from zops_queue import event_lines
from zops_queue.event_lines import open_lines

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, *, raw: bool = False) -> list[bytes]:
    with open_lines(str(path), raw=raw) as lines:
        lines.check()
        return list(lines.bodies())


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(content)
    return path


def test_events_become_compact_and_keep_what_they_say(tmp_path: Path) -> None:
    path = written(
        tmp_path, b'{"b": 1, "a": [1.0, 1e5, 12345678901234567890123], "u": "\xc3\xbc \\u00fc"}\r\n'
    )
    assert read(path) == [b'{"b":1,"a":[1.0,1e5,12345678901234567890123],"u":"\xc3\xbc \\u00fc"}']


def test_empty_lines_are_passed_over_and_the_last_needs_no_end(tmp_path: Path) -> None:
    assert read(written(tmp_path, b'\n{"a":1}\n  \n{"b":2}')) == [b'{"a":1}', b'{"b":2}']
    assert read(written(tmp_path, b"")) == []


def test_raw_lines_are_sent_as_they_are(tmp_path: Path) -> None:
    content = b'[1,\t2]\r\n\n\xff\xfe\n{"a": 1}'
    assert read(written(tmp_path, content), raw=True) == [
        b"[1,\t2]\r",
        b"",
        b"\xff\xfe",
        b'{"a": 1}',
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{oops", "not JSON"),
        (b"[1]", "not an object"),
        (b"7", "not an object"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
        (b'{"a": NaN}', "not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, said: str) -> None:
    path = written(tmp_path, b'{"a":1}\n\n' + line + b'\n{"b":2}\n')
    with pytest.raises(Refused, match="line 3") as caught:
        read(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_lines, "LONGEST_LINE", 100)
    good = b'{"a":"' + b"x" * 91 + b'"}'
    assert len(good) == 99
    assert read(written(tmp_path, good + b"\n" + good)) == [good, good]
    with pytest.raises(Refused, match="line 2: more than 100 bytes"):
        read(written(tmp_path, good + b"\n" + b"x" * 101), raw=True)


def test_a_pipe_is_read_once_and_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b'{"a": 1}\n{"b": 2}\n',))
    writer.start()
    assert read(path) == [b'{"a":1}', b'{"b":2}']
    writer.join()


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="cannot read"):
        read(tmp_path / name)
