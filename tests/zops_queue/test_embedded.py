"""What only the embedded broker does: a file, leases bound to living processes, a clock."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.zops_queue.receiving import FAILURE, nothing_comes, receive
from zcore.errors import Refused
from zops_queue.embedded.broker import EmbeddedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Takes three events, then ends as with `kill -9`.
TAKE_AND_DIE = """
import os, sys
from pathlib import Path
from zops_queue.embedded.broker import EmbeddedBroker
consumer = EmbeddedBroker(Path(sys.argv[1])).consume({"q": 3}, "doomed")
while consumer.held("q") < 3:
    consumer.wait(0.1)
consumer.acknowledge(consumer.take("q", 1))
os._exit(9)
"""


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2025, 6, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "queue.db"


@pytest.fixture
def embedded(path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(path)
    yield broker
    broker.close()


def test_what_was_taken_may_have_been_begun(embedded: EmbeddedBroker) -> None:
    embedded.publish("q", [b"1", b"2"])
    consumer = embedded.consume({"q": 10}, "first")
    consumer.wait(0)
    consumer.take("q", 1)
    consumer.close()

    deliveries = receive(embedded.consume({"q": 10}, "second"), "q", 2)
    assert [(each.body, each.redelivered) for each in deliveries] == [(b"1", True), (b"2", False)]


def test_what_a_killed_process_had_in_hand_comes_back(embedded: EmbeddedBroker, path: Path) -> None:
    embedded.publish("q", [b"1", b"2", b"3", b"4"])
    died = subprocess.run([sys.executable, "-c", TAKE_AND_DIE, path], check=False)
    assert died.returncode == 9
    state = embedded.state("q")
    assert state is not None
    assert (state.ready, state.in_hand) == (1, 2)
    consumer = embedded.consume({"q": 10}, "heir")
    deliveries = receive(consumer, "q", 3)
    assert [(each.body, each.redelivered) for each in deliveries] == [
        (b"2", True),
        (b"3", True),
        (b"4", False),
    ]
    consumer.close()
    assert not os.listdir(path.with_name("queue.db-owners"))


def test_a_long_delay_passes_with_the_clock(path: Path) -> None:
    clock = SetClock()
    broker = EmbeddedBroker(path, clock)
    broker.publish("q", [b"1"])
    consumer = broker.consume({"q": 10}, "test")
    consumer.retry(receive(consumer, "q", 1)[0], 1800)
    clock.now += timedelta(seconds=1799)
    assert nothing_comes(consumer, "q")
    clock.now += timedelta(seconds=1)
    assert receive(consumer, "q", 1)[0].attempts == 1
    broker.close()


def test_only_the_owner_can_read_the_file(embedded: EmbeddedBroker, path: Path) -> None:
    embedded.publish("q", [b"1"])
    embedded.consume({"q": 10}, "test")
    for made in [path.parent, *path.parent.rglob("*")]:
        assert stat.S_IMODE(made.stat().st_mode) in {0o600, 0o700}, made


def test_looking_makes_no_file(embedded: EmbeddedBroker, path: Path) -> None:
    assert embedded.state("q") is None
    assert not embedded.queues()
    assert not embedded.peek("q", 1)
    assert not embedded.dead_letters("q", 1)
    assert embedded.purge("q") == 0
    embedded.hasten("q", 1)
    embedded.close()
    assert not path.parent.exists()


def test_many_processes_make_the_file_together(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from zops_queue.embedded.broker import EmbeddedBroker;"
        "broker = EmbeddedBroker(Path(sys.argv[1]));"
        "broker.publish('q', [b'x'] * 100); broker.close()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, path]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    broker = EmbeddedBroker(path)
    state = broker.state("q")
    broker.close()
    assert state is not None
    assert state.ready == 400
    assert {made.name for made in path.parent.iterdir()} <= {
        "queue.db",
        "queue.db-wal",
        "queue.db-shm",
    }


@pytest.mark.parametrize("content", [b"this is text, not a database" * 99, None])
def test_a_file_of_somebody_else_is_refused(path: Path, content: bytes | None) -> None:
    path.parent.mkdir()
    if content is None:
        sqlite3.connect(path).close()
    path.write_bytes(content or b"")
    broker = EmbeddedBroker(path)
    with pytest.raises(Refused, match=r"queue\.db"):
        broker.publish("q", [b"1"])
    broker.close()
    assert path.read_bytes() == (content or b"")


def test_a_folder_that_cannot_be_made_is_refused(path: Path) -> None:
    path.parent.write_text("a file is in the way")
    broker = EmbeddedBroker(path)
    with pytest.raises(Refused, match=r"queue\.db"):
        broker.publish("q", [b"1"])
    broker.close()


def test_a_publisher_that_fails_half_way_leaves_no_lock(
    embedded: EmbeddedBroker, path: Path
) -> None:
    def bodies() -> Iterator[bytes]:
        yield b"1"
        raise RuntimeError("the input broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        embedded.publish("q", bodies())
    other = EmbeddedBroker(path)
    assert other.publish("q", [b"2"]) == 1
    other.close()


def test_a_file_of_the_format_before_is_brought_to_this_one(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    broker = EmbeddedBroker(path)
    broker.publish("q", [b'{"n":1}', b'{"n":2}'])
    consumer = broker.consume({"q": 1}, "test")
    consumer.bury(receive(consumer, "q", 1)[0], replace(FAILURE, first_seen=None))
    broker.close()
    old = sqlite3.connect(path)
    old.execute("ALTER TABLE events DROP COLUMN first_seen")
    old.execute("ALTER TABLE dead_letters DROP COLUMN first_seen")
    old.execute("PRAGMA user_version = 1")
    old.close()

    broker = EmbeddedBroker(path)
    (letter,) = broker.dead_letters("q", 9)
    assert (letter.body, letter.failure.first_seen) == (b'{"n":1}', None)
    (delivery,) = receive(broker.consume({"q": 1}, "test"), "q", 1)
    assert (delivery.body, delivery.first_seen) == (b'{"n":2}', None)
    broker.close()
