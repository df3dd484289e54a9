"""Health and metrics, as whoever watches a run reads them."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import pytest

from tests.zops_queue.places import Recorder, workplace
from tests.zops_queue.receiving import until
from zcore.errors import Refused, Unreachable
from zcore.testing.broker import StubBroker
from zops_queue.parameters import HTTP_ADDRESS
from zops_queue.processing.loop import QueueLoop
from zops_queue.processing.reload import require_watchfiles
from zops_queue.processing.workplace import Options
from zops_queue.watching.health import STUCK_SECONDS, exposition, goes_on, health_of
from zops_queue.watching.http import serving
from zops_queue.watching.merged import MergedMeters, MergedStats
from zops_queue.watching.meter import Meters, QueueMeter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zcore.broker import Event, WorkContext


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 # ours, over http
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


WELL = QueueMeter("q", connected=True, progress=100.0)


@pytest.mark.parametrize(
    ("meter", "ok", "state"),
    [
        (WELL, True, "idle"),
        (replace(WELL, busy=True), True, "working"),
        (replace(WELL, connected=False), False, "no connection"),
        (replace(WELL, busy=True, waiting="no mail server"), False, "waits: no mail server"),
        (replace(WELL, busy=True, progress=99.0 - STUCK_SECONDS), False, "stuck for 1801 s"),
        (replace(WELL, progress=99.0 - STUCK_SECONDS), False, "stuck for 1801 s"),
    ],
)
def test_how_it_goes_with_a_queue(meter: QueueMeter, ok: bool, state: str) -> None:
    found = health_of(meter, 100.0)
    assert found.ok is ok
    assert found.state.startswith(state)


def test_one_queue_that_is_not_well_is_enough() -> None:
    meters = Meters()
    meters.of("good").connect()
    meters.of("bad")
    with serving(("127.0.0.1", 0), meters) as url:
        status, text = get(f"{url}/healthz")
        assert status == 503
        health = json.loads(text)
        assert health["ok"] is False
        assert {name: each["ok"] for name, each in health["queues"].items()} == {
            "bad": False,
            "good": True,
        }
        meters.of("bad").connect()
        assert get(f"{url}/healthz?verbose")[0] == 200
        assert get(f"{url}/other")[0] == 404
    with pytest.raises(urllib.error.URLError):
        get(f"{url}/healthz")


def test_a_broker_that_is_away_is_no_health() -> None:
    broker = StubBroker()
    place = workplace(lambda: StubBroker(broker.stub), options=Options())
    meter = place.meters.of("q")
    thread = threading.Thread(target=QueueLoop(Recorder("q").loaded, place).run)
    thread.start()
    until(lambda: meter.connected)
    broker.stub.away = "somebody pulled the plug"
    until(lambda: not meter.connected)
    broker.stub.away = ""
    until(lambda: meter.connected)
    place.stop.set()
    thread.join()


def test_a_worker_that_waits_for_a_service_is_no_health() -> None:
    broker = StubBroker()
    broker.publish("q", [b'{"n":1}'])
    place = workplace(lambda: StubBroker(broker.stub))
    meter = place.meters.of("q")
    states = []
    recorder = Recorder("q")

    def need(events: Sequence[Event], context: WorkContext) -> None:
        states.append(health_of(meter, meter.progress).state)
        if len(states) == 1:
            raise Unreachable("no database")

    recorder.before = need
    QueueLoop(recorder.loaded, place).run()
    assert states == ["working", "waits: no database"]
    assert meter.waiting == ""
    meter.waiting = "RabbitMQ is short of memory"  # of a connection that was lost then
    meter.connect()
    assert meter.waiting == ""


def test_numbers_are_as_prometheus_reads_them() -> None:
    meters = Meters()
    meter = meters.of('a "name"\\\n')
    meter.processed, meter.dead, meter.calls, meter.seconds = 7, 1, 2, 0.25
    text = exposition(meters)
    label = r'{queue="a \"name\"\\\n"'
    assert f'zops_queue_events_total{label},outcome="processed"}} 7.0\n' in text
    assert f'zops_queue_events_total{label},outcome="dead"}} 1.0\n' in text
    assert f"zops_queue_call_seconds_total{label}}} 0.25\n" in text
    assert f"zops_queue_healthy{label}}} 0.0\n" in text
    named = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    samples = {line.split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert len(named) == len(set(named))
    assert set(named) == samples


def test_addresses() -> None:
    said = {
        "9100": ("127.0.0.1", 9100),
        ":9100": ("127.0.0.1", 9100),
        "192.0.2.1:1": ("192.0.2.1", 1),
        "[::1]:80": ("::1", 80),
        "localhost:0": ("localhost", 0),
    }
    assert {text: HTTP_ADDRESS.convert(text, None, None) for text in said} == said
    for wrong in ("", "host", "host:", "host:-1", "host:65536", "host:x"):
        with pytest.raises(click.BadParameter):
            HTTP_ADDRESS.convert(wrong, None, None)


def test_several_processes_are_one_to_whoever_watches() -> None:
    now = time.monotonic()
    well, stuck = QueueMeter("q", processed=5, connected=True), QueueMeter("q", processed=2, dead=1)
    stuck.connected, stuck.progress = True, now - 1900
    merged = MergedMeters(["q", "other"])
    assert [meter.connected for meter in merged.all()] == [False, False]
    merged.update(0, [well.numbers()])
    merged.update(1, [stuck.numbers()])
    other, both = merged.all()
    assert (other.queue, both.queue) == ("other", "q")
    assert (both.processed, both.dead) == (7, 1)
    assert not health_of(both, now).ok
    merged.end(1)  # what it has done stays done
    merged.update(1, [QueueMeter("q", processed=1).numbers()])
    (_, after) = merged.all()
    assert (after.processed, after.dead, health_of(after, now).ok) == (8, 1, True)


def test_several_processes_write_one_file_of_statistics(tmp_path: Path) -> None:
    merged = MergedMeters(["q"])
    stats = MergedStats(merged, tmp_path, print)
    first, second = QueueMeter("q", since_emptied=3), QueueMeter("q", since_emptied=4)
    first.recent.extend([(10, 1.0), (20, 3.0)])
    second.recent.append((10, 4.0))
    stats.look()
    assert not list(tmp_path.iterdir())  # nobody has said anything yet
    merged.update(0, [json.loads(json.dumps(first.numbers()))])
    merged.update(1, [second.numbers()])
    stats.look()
    written = json.loads((tmp_path / "q.stats").read_text())
    assert written["recent_average_consume_time"] == 8.0 / 40
    assert written["consumed_since_last_emptied"] == 7
    assert written["queue_last_emptied_timestamp"] == second.emptied
    (tmp_path / "q.stats").unlink()
    second.calls += 1
    merged.update(1, [second.numbers()])
    time.sleep(1.1)  # as long as between two files
    stats.look()  # none has got on since: the monitoring is to see that
    assert not list(tmp_path.iterdir())
    second.progress += 1
    merged.update(1, [second.numbers()])
    stats.look()
    assert (tmp_path / "q.stats").exists()


def test_when_a_new_process_would_do_better() -> None:
    now = 10_000.0
    idle = QueueMeter("q", progress=now - 100)
    assert goes_on(idle, now)
    idle.progress = now - 150
    assert not goes_on(idle, now)
    busy = QueueMeter("q", busy=True, progress=now - 1700)
    assert goes_on(busy, now)
    busy.progress = now - 1900
    assert not goes_on(busy, now)
    busy.waiting = "no database"
    assert goes_on(busy, now)


def test_reloading_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(Refused, match="needs the package 'watchfiles'"):
        require_watchfiles()
