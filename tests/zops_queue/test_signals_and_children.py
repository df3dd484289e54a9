"""Being asked to stop and to restart, alone and with children; children that die."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING

import pika
import pytest

from tests.zops_queue.dangerous import SECONDS_TO_START, Danger
from tests.zops_queue.receiving import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from zcore.testing.commands import Zops

ALONE_AND_WITH_CHILDREN = pytest.mark.parametrize(
    "arguments", [[], ["--processes", "1"]], ids=["alone", "child"]
)


@pytest.fixture
def danger(zops: Zops, tmp_path: Path) -> Danger:
    return Danger(zops, tmp_path / "danger")


@pytest.fixture
def on_both(danger: Danger, broker_url: str) -> Danger:
    """The same on each kind of broker."""
    danger.zops.environment["ZOPS_BROKER"] = broker_url
    return danger


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=SECONDS_TO_START)
    return process.returncode, said


@ALONE_AND_WITH_CHILDREN
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_it_finishes_what_is_in_hand_and_gives_back_the_rest(
    on_both: Danger, arguments: list[str], number: signal.Signals
) -> None:
    on_both.publish("danger_one", {"do": "wait"}, {}, {})
    process = on_both.start("danger_one", *arguments)
    on_both.until_begun()
    process.send_signal(number)
    on_both.until_stopping()
    on_both.go()
    exit_code, _ = end_of(process)
    assert exit_code == 0
    assert on_both.done() == [0]
    assert on_both.ready("danger_one") == 2
    assert not list((on_both.zops.home / "in-hand").glob("*.hand"))


@ALONE_AND_WITH_CHILDREN
def test_what_is_not_finished_in_time_goes_back_and_is_not_blamed(
    on_both: Danger, arguments: list[str]
) -> None:
    on_both.zops.environment["ZOPS_QUEUE_DEATHS"] = "1"
    on_both.publish("danger_one", {"do": "wait"}, {})
    process = on_both.start("danger_one", "--grace", "0.2", *arguments)
    on_both.until_begun()
    process.terminate()
    exit_code, said = end_of(process)
    assert exit_code == 0
    assert "not finished after 0.2 s, and goes back to the queue" in said
    on_both.go()
    report = on_both.zops("--json", "process-queue", "danger_one", "--drain").json()
    assert (report["processed"], report["dead"]) == (2, 0)


@ALONE_AND_WITH_CHILDREN
def test_a_second_signal_leaves_at_once(danger: Danger, arguments: list[str]) -> None:
    danger.publish("danger_one", {"do": "wait"})
    process = danger.start("danger_one", *arguments)
    danger.until_begun()
    process.terminate()
    danger.until_stopping()
    process.terminate()
    assert end_of(process)[0] == 130
    (worked,) = danger.processes()
    until(lambda: not is_there(worked))
    assert danger.done() == []


@ALONE_AND_WITH_CHILDREN
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_told_to_restart_it_finishes_what_is_in_hand_first(
    danger: Danger, arguments: list[str], number: signal.Signals
) -> None:
    danger.publish("danger_one", {"do": "wait"})
    process = danger.start("danger_one", *arguments)
    danger.until_begun()
    process.send_signal(number)
    danger.until_stopping()
    code = (danger.code / "work.py").read_text()
    (danger.code / "work.py").write_text(code.replace('"done"', '"done by new code"'))
    danger.go()
    danger.publish("danger_one", {"n": 1})
    until((danger.place / "done by new code").exists, SECONDS_TO_START)
    assert danger.done() == [0]
    assert process.poll() is None
    process.terminate()
    assert end_of(process)[0] == 0


HANG_UP_ONCE = """
import os, signal
from pathlib import Path

early = Path(os.environ["DANGER"]) / "early"
if early.exists():
    early.unlink()
    os.kill(os.getpid(), signal.SIGHUP)
"""


@pytest.fixture
def hangs_up() -> Iterator[None]:
    """Processes end when they are hung up, also where the tests themselves do not (`nohup`)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangs_up")
def test_a_signal_to_restart_waits_for_who_is_just_starting(danger: Danger) -> None:
    plugin = danger.code / "__init__.py"
    plugin.write_text(HANG_UP_ONCE + plugin.read_text())  # long before anything listens
    (danger.place / "early").touch()
    assert danger.zops("queue", "list", check=False).exit_code == -signal.SIGHUP
    danger.publish("danger_one", {})
    (danger.place / "early").touch()
    process = danger.start("danger_one")
    until(lambda: danger.done() == [0], SECONDS_TO_START)
    process.terminate()
    exit_code, said = end_of(process)
    assert (exit_code, said.count("starting anew")) == (0, 1)


def test_a_restart_is_off_when_it_is_told_to_stop_meanwhile(danger: Danger) -> None:
    danger.publish("danger_one", {"do": "wait"})
    process = danger.start("danger_one")
    danger.until_begun()
    process.send_signal(signal.SIGHUP)
    process.terminate()
    danger.until_stopping()
    danger.go()
    exit_code, said = end_of(process)
    assert (exit_code, "starting anew" in said) == (0, False)
    assert danger.done() == [0]


def test_children_end_with_their_supervisor(danger: Danger) -> None:
    danger.publish("danger_one", {"do": "wait"}, {})
    process = danger.start("danger_one", "--processes", "1")
    danger.until_begun()
    process.kill()
    danger.until_stopping()
    danger.go()
    (worked,) = danger.processes()
    until(lambda: not is_there(worked), SECONDS_TO_START)
    assert danger.done() == [0]  # what was in hand is finished, nothing more is begun


def test_the_death_of_a_child_does_not_touch_the_others(on_both: Danger) -> None:
    on_both.publish("danger_one", {"do": "wait"}, {"do": "wait"})
    arguments = ("danger_one", "--processes", "2", "--prefetch", "1")
    process = on_both.start(*arguments)
    on_both.until_begun(2)
    first, second = on_both.processes()
    os.kill(first, signal.SIGKILL)
    on_both.until_begun(3)  # by the one in its place
    on_both.go()
    until(lambda: sorted(on_both.done()) == [0, 1])
    process.terminate()
    exit_code, said = end_of(process)
    assert exit_code == 0
    assert f"process {first} is dead (its process was ended by SIGKILL: out of memory?)" in said
    (third,) = on_both.processes() - {first, second}
    assert f"process {second} is dead" not in said
    assert f"process {third} is dead" not in said


def test_several_children_drain_a_queue(on_both: Danger) -> None:
    on_both.publish("danger", *[{}] * 300)
    drain = ("--json", "process-queue", "danger", "--drain", "--processes", "2")
    on_both.zops.environment["ZOPS_QUEUE_STATS_FOLDER"] = str(on_both.place / "stats")
    report = on_both.zops(*drain, "--max-events", "60").json()
    assert (report["processed"], report["retried"], report["dead"]) == (300, 0, 0)
    assert report["repeated"] == 0
    (stats,) = (on_both.place / "stats").iterdir()  # one file, of all of them
    assert json.loads(stats.read_text())["update_time"] > 0
    assert sorted(on_both.done()) == list(range(300))
    assert len(on_both.processes()) >= 5


def test_one_process_ends_after_so_many_events(danger: Danger) -> None:
    danger.publish("danger", *[{}] * 25)
    done = danger.zops("--json", "process-queue", "danger", "--max-events", "13")
    assert (done.json()["processed"], danger.ready("danger")) == (13, 12)
    assert "it has handled 13 events" in done.stderr
    done = danger.zops("process-queue", "danger", "--max-memory", "1", "--prefetch", "2")
    assert "more than 1 MB" in done.stderr
    assert danger.ready("danger") > 0


def test_children_that_cannot_work_are_no_endless_story(danger: Danger) -> None:
    danger.zops.environment["ZOPS_BROKER"] = "amqp://u:very-secret@127.0.0.1:1/"
    failed = danger.zops("process-queue", "danger", "--processes", "2", exit_code=4)
    assert "Connection refused" in failed.stderr
    assert failed.stderr.count("zops: error:") == 1
    assert "very-secret" not in failed.stderr


def test_changed_code_is_used_at_once(danger: Danger) -> None:
    danger.publish("danger_one", {"do": "wait"})
    process = danger.start("danger_one", "--autoreload")
    danger.until_begun()
    work = danger.code / "work.py"
    changed = work.read_text().replace('"done"', '"done by new code"')
    work.write_text("this is (no Python")
    danger.until_stopping()
    danger.go()  # what is in hand is finished, by the old code
    danger.publish("danger_one", {"n": 1})
    assert process.stderr is not None
    assert any("SyntaxError" in line for line in process.stderr)
    work.write_text(changed)
    until((danger.place / "done by new code").exists, SECONDS_TO_START)
    assert danger.done() == [0]
    process.terminate()
    assert end_of(process)[0] == 0


def test_with_all_what_others_consume_is_left_to_them(danger: Danger, rabbitmq_url: str) -> None:
    danger.zops.environment["ZOPS_BROKER"] = rabbitmq_url
    danger.publish("danger", {}, {})
    server = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
    channel = server.channel()
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("danger", lambda *_: None)
    server.process_data_events(time_limit=0.1)
    said = danger.zops("process-queue", "--all", "--drain").stderr
    assert "leaving out queue danger: somebody else takes from it" in said
    assert danger.began() == []
    process = danger.start("--all", "--beside-server")
    danger.until_begun()
    # ours are nobody else
    said = danger.zops("process-queue", "--all", "--drain", check=False).stderr
    assert "leaving out queue danger_one" not in said
    process.terminate()
    assert end_of(process)[0] == 0
    server.close()


def test_systemd_is_told_how_it_goes(danger: Danger, tmp_path: Path) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(SECONDS_TO_START)
    danger.zops.environment |= {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "200000",
    }
    process = danger.start("danger", "danger_one", "--processes", "1")
    said = [manager.recv(100).decode()]
    while "READY=1" not in said or said.count("WATCHDOG=1") < 3:
        said.append(manager.recv(100).decode())
    assert "STOPPING=1" not in said
    process.terminate()
    while "STOPPING=1" not in said:
        said.append(manager.recv(100).decode())
    assert said.count("READY=1") == 1
    assert end_of(process)[0] == 0
    manager.close()
