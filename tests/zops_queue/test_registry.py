"""Choosing workers: names, typing mistakes, readiness, strangers' workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from zcore import Context, Refused, UsageError, Worker
from zcore.console import Console
from zcore.settings import Settings
from zcore.testing.plugins import hooks, plugins_of
from zops_queue import hookspecs, plugin, registry
from zops_queue.names import SERVER_QUEUES, is_server_queue

HERE = "tests.zops_queue.test_registry"
NOOP = "zops_queue.workers.noop:handle"


def not_today(context: Context) -> str:
    return "it is Sunday"


def context(**workers: list[object]) -> Context:
    settings = Settings.load({}, {"ZOPS_HOME": "/nonexistent"}, Path("/"))
    console = Console()
    return Context(settings, console, plugins_of(_plugins(workers), warn=console.warn))


def _plugins(workers: dict[str, list[object]]) -> dict[str, object]:
    """A plugin for each name: the queue plugin's hooks, and these workers."""
    specified = {"zz-specs": hooks(zops_hookspecs=lambda: hookspecs)}
    return specified | {name: _declaring(given) for name, given in workers.items()}


def _declaring(workers: list[object]) -> object:
    return hooks(zops_queue_workers=lambda: workers)


def test_our_own_workers_can_be_loaded() -> None:
    for worker in plugin.zops_queue_workers():
        here = context(queue=[Worker(worker.queue, worker.target)])
        chosen = registry.choose_named(here, [worker.queue])
        assert callable(registry.load_workers(here, chosen)[0].handle)


def test_named_queues_come_in_order_and_once() -> None:
    here = context(queue=[Worker("a", NOOP), Worker("b", NOOP, batch=7), Worker("c", NOOP)])
    loaded = registry.load_workers(here, registry.choose_named(here, ["b", "a", "b"]))
    assert [(worker.queue, worker.batch) for worker in loaded] == [("b", 7), ("a", 1)]


def test_a_typing_mistake_is_answered_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="'user_activty'") as caught:
        registry.choose_named(context(queue=[Worker("user_activity", NOOP)]), ["user_activty"])
    assert "'user_activity'" in caught.value.hint


def test_a_queue_of_the_server_without_a_worker_is_refused() -> None:
    with pytest.raises(Refused, match="no worker for queue 'embed_links'") as caught:
        registry.choose_named(context(queue=[Worker("noop", NOOP)]), ["embed_links"])
    assert "noop" in caught.value.hint


def test_a_worker_that_is_not_ready_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    here = context(
        queue=[
            Worker("a", NOOP),
            Worker("b", NOOP, ready=f"{HERE}:not_today"),
            Worker("noop", NOOP),
        ]
    )
    with pytest.raises(Refused, match="it is Sunday"):
        registry.choose_named(here, ["a", "b"])
    assert [worker.queue for worker in registry.choose_all(here)] == ["a"]
    assert "leaving out queue b: it is Sunday" in capsys.readouterr().err


def test_without_any_ready_worker_all_is_refused() -> None:
    with pytest.raises(Refused, match="no worker is ready"):
        registry.choose_all(context(queue=[Worker("noop", NOOP)]))


def test_two_workers_for_one_queue(capsys: pytest.CaptureFixture[str]) -> None:
    here = context(acme=[Worker("a", NOOP, "theirs")], queue=[Worker("a", NOOP, "ours")])
    assert registry.find_workers(here)["a"].help == "theirs"
    said = capsys.readouterr().err
    assert "'acme'" in said
    assert "'queue'" in said


def test_what_is_no_worker_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    here = context(acme=["a"], queue=[Worker("a", NOOP)])
    assert set(registry.find_workers(here)) == {"a"}
    assert "'acme'" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*SERVER_QUEUES, "mine", "existing"])
def test_queues_that_can_be_published_to(name: str) -> None:
    registry.check_queue(context(acme=[Worker("mine", NOOP)]), name, ["existing"])


def test_other_queues_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        registry.check_queue(context(acme=[Worker("mine", NOOP)]), "user-activity", [])
    assert "user_activity" in caught.value.hint


def test_numbered_queues_of_the_server() -> None:
    assert is_server_queue("missedmessage_mobile_notifications_shard12")
    assert is_server_queue("notify_tornado")
    assert is_server_queue("notify_tornado_port_9801")
    assert not is_server_queue("notify_tornado_port_")
    assert not is_server_queue("user_activity_shard1")
