"""Error files of the server's workers, whole and damaged."""

from __future__ import annotations

import fcntl
import io
from typing import TYPE_CHECKING

import pytest

from zcore.errors import Refused
from zops_queue import error_file
from zops_queue.error_file import Unreadable, locked, read_events

if TYPE_CHECKING:
    from pathlib import Path

TIME = b"Sun Nov 22 19:44:11 2026\t"


def read(*lines: bytes) -> list[bytes | Unreadable]:
    return list(read_events(io.BytesIO(b"\n".join(lines))))


def test_each_event_of_each_line() -> None:
    assert read(TIME + b'[{"n": 1}, {"n": 2}]', b"", TIME + b"[]", TIME + b'[{"n":3}]') == [
        b'{"n":1}',
        b'{"n":2}',
        b'{"n":3}',
    ]


def test_arrays_in_arrays_are_unwrapped() -> None:
    assert read(TIME + b'[[{"n":1},{"n":2}]]', TIME + b'[[[{"n":3}]],{"n":4}]') == [
        b'{"n":%d}' % n for n in (1, 2, 3, 4)
    ]


def test_a_line_without_a_time() -> None:
    assert read(b'{"a":"\\t"}', b'[{"b":1}]', b'{\t"c":1}') == [
        b'{"a":"\\t"}',
        b'{"b":1}',
        b'{"c":1}',
    ]


def test_values_stay_as_they_are_written() -> None:
    event = '{"n":123456789012345678901234567890,"f":1.50,"t":"ü"}'.encode()
    assert read(TIME + b"[" + event + b"]") == [event]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (TIME + b'[{"n":1},{"n":', "not JSON"),
        (TIME + b'[{"n":1}] tail', "not JSON"),
        (TIME, "not JSON"),
        (b"Traceback (most recent call last):", "not JSON"),
        (TIME + b'[{"n":"\xff"}]', "not UTF-8"),
        (TIME + b"7", "not an event"),
        (TIME + b"[" * 100_000 + b"]" * 100_000, ""),
        (TIME + b'[{"n":"' + b"x" * 300 + b'"}]', "more than 200 bytes"),
    ],
)
def test_a_line_that_cannot_be_read_costs_no_other(
    line: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_file, "LONGEST_LINE", 200 if b"xxx" in line else 10**6)
    before, bad, after = read(TIME + b'[{"n":1}]', line, TIME + b'[{"n":2}]')
    assert (before, after) == (b'{"n":1}', b'{"n":2}')
    assert isinstance(bad, Unreadable)
    assert bad.line == 2
    assert reason in bad.reason


def test_what_is_no_event_costs_no_event_of_its_line() -> None:
    first, second, third = read(TIME + b'[{"n":1},null,{"n":2}]')
    assert (first, third) == (b'{"n":1}', b'{"n":2}')
    assert second == Unreadable(1, "JSON, but not an event (an object)")


def test_the_lock_is_the_servers(tmp_path: Path) -> None:
    path, lock = tmp_path / "q.errors", tmp_path / "q.errors.lock"
    with locked(path):
        assert not lock.exists()
    lock.touch()
    with locked(path), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.unlink()
    lock.symlink_to(lock)
    with pytest.raises(Refused, match="cannot lock"), locked(path):
        pass
