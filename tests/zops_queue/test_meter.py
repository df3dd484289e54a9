"""What is measured of the work on a queue."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.zops_queue.places import Recorder, workplace
from zcore.errors import Unreachable
from zcore.testing.broker import StubBroker
from zops_queue.processing.runner import run
from zops_queue.processing.workplace import Tally
from zops_queue.watching.meter import Meters, QueueMeter

if TYPE_CHECKING:
    from pathlib import Path


def measured(meter: QueueMeter) -> tuple[int, int, int, int]:
    return meter.calls, meter.processed, meter.retried, meter.dead


def test_a_run_is_measured() -> None:
    broker = StubBroker()
    broker.publish("q", [*[b'{"n":1}'] * 5, b"no event", b'{"n":2,"fail":true}'])
    place = workplace(lambda: StubBroker(broker.stub))
    run([Recorder("q", batch=10).loaded], place)
    meter = place.meters.of("q")
    assert measured(meter) == (meter.calls, 5, 2, 2)
    assert meter.calls >= 3  # the first, and one for each attempt after it
    assert (meter.connected, meter.busy, meter.since_emptied) == (False, False, 0)
    assert meter.seconds_per_event() == pytest.approx(meter.recent[0][1] / 5)


def test_a_call_that_fails_is_no_part_of_the_average() -> None:
    meter, tally = QueueMeter("q"), Tally()

    def work() -> None:
        assert meter.busy
        meter.waiting = "the mail server is away"
        tally.retried += 3
        raise Unreachable("gone")

    with pytest.raises(Unreachable), meter.call(tally):
        work()
    assert measured(meter) == (1, 0, 3, 0)
    assert (meter.busy, meter.waiting) == (False, "")
    assert meter.seconds_per_event() is None


def test_how_much_was_done_since_nothing_was_left() -> None:
    meter, tally = QueueMeter("q", emptied=0), Tally()
    for _ in range(2):
        with meter.call(tally):
            tally.processed += 3
        meter.look(empty=False)
    assert (meter.since_emptied, meter.emptied) == (6, 0)
    meter.look(empty=True)
    assert meter.since_emptied == 0
    assert time.time() - meter.emptied < 3600


def test_the_file_is_there_before_the_first_event(tmp_path: Path) -> None:
    meter = Meters(tmp_path).of("q")
    meter.look(empty=True)
    written = json.loads((tmp_path / "q.stats").read_text())
    assert written["recent_average_consume_time"] is None
    assert written["consumed_since_last_emptied"] == 0
    (tmp_path / "q.stats").unlink()
    meter.look(empty=True)  # not at once again
    assert not list(tmp_path.iterdir())
    tally = Tally()
    with meter.call(tally):
        tally.processed += 3
    meter.disconnect()
    written = json.loads((tmp_path / "q.stats").read_text())
    assert written["consumed_since_last_emptied"] == 3
