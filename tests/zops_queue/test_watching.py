"""Health and metrics, as whoever watches a run reads them."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import pytest

from tests.zops_queue.places import Recorder, workplace
from tests.zops_queue.receiving import until
from zcore.errors import Unreachable
from zcore.testing.broker import StubBroker
from zops_queue.parameters import HTTP_ADDRESS
from zops_queue.processing.loop import QueueLoop
from zops_queue.processing.workplace import Options
from zops_queue.watching.health import STUCK_SECONDS, exposition, health_of
from zops_queue.watching.http import serving
from zops_queue.watching.meter import Meters, QueueMeter

if TYPE_CHECKING:
    from collections.abc import Sequence

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
