"""Events that raise, hang, exhaust the memory, end the process or crash it, among good ones."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.zops_queue.dangerous import Danger
from tests.zops_queue.receiving import until

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.commands import Zops

POISON = {"raise", "hang", "exhaust", "exit", "crash"}
LIMITS = ("--event-timeout", "4", "--max-memory", "150", "--prefetch", "1")


@pytest.fixture
def danger(zops: Zops, tmp_path: Path, broker_url: str) -> Danger:
    zops.environment["ZOPS_BROKER"] = broker_url
    zops.environment["ZOPS_QUEUE_ATTEMPTS"] = "2"
    return Danger(zops, tmp_path / "danger")


def test_each_kind_is_found_and_takes_no_good_one_with_it(danger: Danger) -> None:
    poison = {4 * n + 2: kind for n, kind in enumerate(sorted(POISON), 1)}
    events: list[dict[str, object]] = [{"do": poison.get(n, "well")} for n in range(40)]
    events[30] = {"do": 5}  # no name of anything
    events[35] = {"do": "raise", "much": "x" * 10_000_000}
    danger.publish("danger", *events)
    danger.zops("queue", "publish", "danger", "--raw", stdin='{"n": 99, "do"\n')
    bad = {*poison, 30, 35}

    drain = ("--json", "process-queue", "danger", "--drain", *LIMITS)
    report = danger.zops(*drain, exit_code=5).json()
    assert sorted(set(danger.done())) == [n for n in range(40) if n not in bad]
    assert (report["processed"], report["dead"]) == (40 - len(bad), len(bad) + 1)

    letters = danger.zops("--json", "queue", "dead", "danger", "--count", "50").json()
    why = {
        letter["event"]["n"] if letter["event"] else 99: letter["error"]
        for letter in letters["dead_letters"]
    }
    kinds = {number: kind for kind, number in zip(sorted(POISON), sorted(poison), strict=True)}
    words = {kinds[number]: text for number, text in why.items() if number in kinds}
    assert words["raise"] == why[35] == "ValueError: no good"
    assert words["hang"] == "it took longer than 4 s"
    assert words["exit"].endswith("its process ended with exit code 0")
    assert words["exit"].startswith("3 processes ended while it was in hand")
    assert words["crash"].endswith("its process was ended by SIGABRT")
    assert words["exhaust"].endswith("its process used more than 300 MB of memory")
    assert why[30].startswith("TypeError")
    assert why[99].startswith("the event is not JSON")

    danger.fix()
    danger.zops("queue", "replay", "danger")
    again = danger.zops(*drain, exit_code=5).json()  # what is no JSON is none after a fix
    assert (again["processed"], again["dead"]) == (len(bad), 1)
    assert set(danger.done()) == set(range(40))
    assert json.loads((danger.zops.home / "in-hand" / "deaths.json").read_text()) == {}


def test_without_children_it_is_found_by_those_who_come_after(danger: Danger) -> None:
    danger.publish("danger", {}, {"do": "crash"}, {})
    for _ in range(3):
        assert danger.zops("process-queue", "danger", "--drain", check=False).exit_code == -6
    danger.zops("process-queue", "danger", "--drain", exit_code=5)
    assert sorted(danger.done()) == [0, 2]
    why = danger.dead("danger")
    assert why == {
        1: "3 processes ended while it was in hand;"
        " of the last: its process ended while it was in hand"
    }
    assert danger.began().count(1) == 3


def test_a_worker_has_a_limit_of_its_own_and_other_queues_finish_first(danger: Danger) -> None:
    """Both are threads of one process, which cannot outlive the one that hangs."""
    danger.publish("danger_one", {"do": "wait"})
    danger.publish("danger_hasty", {"n": 1, "do": "hang"}, {"n": 2})
    process = danger.start("danger_one", "danger_hasty")
    danger.until_begun(2)
    said = process.stderr
    assert said is not None
    assert any("1 events took longer than 0.5 s" in line for line in said)
    danger.go()
    until(lambda: sorted(danger.done()) == [0, 2], 60)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert danger.dead("danger_hasty") == {1: "it took longer than 0.5 s"}
    assert sorted(danger.began()) == [0, 1, 2]


def test_who_was_only_near_is_not_found_guilty(danger: Danger) -> None:
    """A long event on one queue, while another queue's event kills the process each time."""
    danger.zops.environment["ZOPS_QUEUE_DEATHS"] = "2"
    danger.publish("danger_one", {"do": "wait"})
    process = danger.start("danger_one", "danger", "--processes", "1")
    danger.until_begun()
    danger.publish("danger", {"n": 1, "do": "crash"})
    until(lambda: danger.began().count(1) == 1, 60)
    danger.until_begun(3)  # the long one has been begun again, and is to be alone the next time
    danger.go()
    until(lambda: danger.dead("danger"), 60)
    until(lambda: danger.done() == [0], 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert danger.dead("danger_one") == {}
