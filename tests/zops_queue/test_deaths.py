"""Notes of what is in hand, and who is found guilty of the deaths of processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from zcore.broker import Delivery
from zcore.errors import Interrupted, Refused
from zcore.signals import StopFlag
from zops_queue.processing import in_hand
from zops_queue.processing.deaths import Deaths, Suspect
from zops_queue.processing.gate import CallGate
from zops_queue.processing.in_hand import Hand, digest_of
from zops_queue.processing.lull import Lull
from zops_queue.processing.retirement import Retirement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DIES = """
import os, sys
from pathlib import Path
from zcore.broker import Delivery
from zops_queue.processing.in_hand import Hand

hands = []
for queue, *bodies in map(str.split, sys.argv[2:]):
    hand = Hand(Path(sys.argv[1]), queue, 9)
    hand.take([Delivery(queue=queue, body=body.encode(), tag=1) for body in bodies])
    if "done" in bodies:
        hand.release()
    if "stopped" in bodies:
        hand.stop()
    hands.append(hand)
print(os.getpid())
sys.stdout.flush()
os._exit(1)
"""


def die(folder: Path, *hands: str) -> int:
    """Have a process die with these in hand: a queue and the bodies of events each. Its number."""
    command = [sys.executable, "-c", DIES, str(folder), *hands]
    return int(subprocess.run(command, capture_output=True, text=True).stdout)


def delivery(body: str) -> Delivery:
    return Delivery(queue="q", body=body.encode(), tag=1)


def digest(body: str) -> bytes:
    return digest_of(delivery(body))


def counted(suspects: Mapping[bytes, Suspect]) -> dict[bytes, tuple[int, bool]]:
    return {name: (each.deaths, each.alone) for name, each in suspects.items()}


def test_a_death_is_counted_for_all_that_was_in_hand(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    assert deaths.suspects("q") == {}
    die(tmp_path, "q a b", "other c", "idle d done", "away e stopped")
    assert counted(deaths.suspects("q")) == {digest("a"): (1, False), digest("b"): (1, False)}
    assert counted(deaths.suspects("q")) == counted(Deaths(tmp_path).suspects("q"))  # once
    assert set(deaths.suspects("other")) == {digest("c")}
    assert deaths.suspects("idle") == deaths.suspects("away") == {}
    assert not list(in_hand.notes(tmp_path))
    process = die(tmp_path, "q a")
    deaths.process_died(process, "it was tired")
    deaths.forget("q", digest("b"))
    (suspect,) = deaths.suspects("q").values()
    assert (suspect.deaths, suspect.alone, suspect.reason) == (2, True, "it was tired")


def test_two_deaths_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    first, second = die(tmp_path, "q a"), die(tmp_path, "q b")
    deaths = Deaths(tmp_path)
    deaths.process_died(second, "the second")
    deaths.process_died(first, "the first")
    found = deaths.suspects("q")
    assert {name: each.reason for name, each in found.items()} == {
        digest("a"): "the first",
        digest("b"): "the second",
    }


def test_guilty_is_who_was_alone(tmp_path: Path) -> None:
    near, alone = Suspect(deaths=9), Suspect(deaths=3, alone=True)
    assert not near.is_guilty(3)
    assert near.needs_to_be_alone(3)
    assert alone.is_guilty(3)
    assert not Suspect(deaths=2, alone=True).is_guilty(3)
    assert not Suspect(deaths=1).needs_to_be_alone(3)
    assert Suspect(deaths=1, late=True).is_guilty(3)


def test_the_notes_of_the_living_are_left_alone(tmp_path: Path) -> None:
    hand = Hand(tmp_path, "q", 2)
    hand.take([delivery("a"), delivery("b"), delivery("c")], limit=5)
    hand.count(7, 1, 2, 3)
    deaths = Deaths(tmp_path)
    assert deaths.suspects("q") == {}
    assert deaths.consumers() == {"q": 1}
    ((path, note),) = deaths.in_hand_of(os.getpid())
    assert note.digests == (digest("a"), digest("b"))
    assert (note.processed, note.retried, note.dead, note.repeated) == (7, 1, 2, 3)
    assert not note.is_late(note.since + 4)
    assert note.is_late(note.since + 6)
    deaths.took_too_long(path, note)
    (suspect, _) = deaths.suspects("q").values()
    assert (suspect.late, suspect.reason) == (False, "it took longer than 5 s")  # which of them?
    hand.take([delivery("d")])
    assert deaths.in_hand_of(os.getpid()) == []  # it is to be ended
    hand.close()
    assert not list(in_hand.notes(tmp_path))


def test_what_cannot_be_noted_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be noted"):
        Deaths(tmp_path / "file" / "folder").require_writable()


def test_a_full_disk_costs_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    deaths = Deaths(tmp_path, warn=warnings.append)
    process = die(tmp_path, "q a")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Deaths, "_save", full)
        deaths.process_died(process, "it was tired")
        assert set(deaths.suspects("q")) == {digest("a")}  # known here
        deaths.forget("q", digest("a"))
        assert deaths.suspects("q") == {}  # until it has done well
        deaths.process_died(die(tmp_path, "q a"), "it was tired")
    assert all("No space left" in warning for warning in warnings)
    assert len(warnings) == 2
    die(tmp_path, "q b")
    deaths.suspects("q")
    assert set(Deaths(tmp_path).suspects("q")) == {digest("a"), digest("b")}  # and to all, now


def test_a_book_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "deaths.json").write_text('{"q": {"00": {"new": 1}}}')
    die(tmp_path, "q a")
    assert set(Deaths(tmp_path).suspects("q")) == {digest("a")}
    later = time.time() + 8 * 86_400
    assert Deaths(tmp_path, lambda: later).suspects("q") == {}


def test_alone_means_alone() -> None:
    gate, stop = CallGate(), StopFlag()
    inside, leave, came = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def beside() -> None:
        with gate.beside_others(stop):
            inside.set()
            leave.wait(10)
            order.append("beside")

    def alone() -> None:
        with gate.alone(stop):
            threads[2].start()
            came.wait(0.3)
            order.append("alone")

    def later() -> None:
        with gate.beside_others(stop):
            came.set()
            order.append("later")

    threads = [threading.Thread(target=target) for target in (beside, alone, later)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join()
    assert order == ["beside", "alone", "later"]
    stop.set()
    with gate.alone(stop), pytest.raises(Interrupted), gate.beside_others(stop):
        pass


def test_a_lull_is_when_all_have_nothing_to_do() -> None:
    lull = Lull()
    lull.expect(["a", "b"])
    assert not lull.join("a")
    lull.leave("a")
    assert not lull.join("b")
    assert lull.join("a")
    lull.leave("a")
    assert lull.join("b")  # it is over for all


def test_a_process_retires_after_so_many_events() -> None:
    retirement = Retirement(max_events=5)
    assert (retirement.allow(3), retirement.is_due()) == (3, False)
    assert (retirement.allow(3), retirement.is_due()) == (2, True)
    assert retirement.allow(1) == 0
    assert retirement.reason == "it has handled 5 events"
    assert Retirement().allow(10**6) == 10**6
    assert not Retirement(max_memory=10**6).is_due()
    assert Retirement(max_memory=1).is_due()
