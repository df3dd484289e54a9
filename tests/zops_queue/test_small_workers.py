"""Workers that do next to nothing, and queues that are left to the server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.zops_queue.test_registry import NOOP, context
from zcore import Context, UsageError, Worker
from zcore.broker import encode_event
from zops_queue import plugin, registry
from zops_queue.names import PUSH_QUEUE, SERVER_QUEUES, push_queue, shards
from zops_queue.workers.push import CONFIGURED, UNKNOWN, ready

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing import StubBroker, TemporaryPlugins, ZopsInProcess

LEFT_TO_THE_SERVER = {
    "digest_emails",
    "email_mirror",
    "embed_links",
    "embedded_bots",
    "missedmessage_emails",
}


def with_settings(*workers: object, **settings: object) -> Context:
    here = context(queue=list(workers))
    return Context(replace(here.settings, **settings), here.console, here.plugins)  # type: ignore[arg-type]


def test_which_queues_are_left_to_the_server() -> None:
    ours = {worker.queue for worker in plugin.zops_queue_workers()}
    assert set(SERVER_QUEUES) - ours == LEFT_TO_THE_SERVER


def test_events_for_the_test_queue_are_written_into_a_file(
    zops_in_process: ZopsInProcess,
    stub_broker: StubBroker,
    zops_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    zops_environment["ZOPS_QUEUE_TEST_FILE"] = str(tmp_path / "deep" / "what-came")
    for number in (1, 2):
        stub_broker.publish("test", [encode_event({"n": number})])
        zops_in_process("process-queue", "test", "--drain")
    assert (tmp_path / "deep" / "what-came").read_text() == '{"n":1}\n{"n":2}\n'


def test_a_push_worker_has_to_know_that_nothing_can_be_pushed(tmp_path: Path) -> None:
    server, named = "amqp://zulip@127.0.0.1/", {"push_service": "file zops.toml"}
    assert ready(with_settings()) == ""
    assert ready(with_settings(broker=server)) == UNKNOWN
    assert ready(with_settings(broker=server, origins=named)) == ""
    told = {"broker": server, "zulip_conf": tmp_path}
    assert ready(with_settings(**told)) == ""
    assert ready(with_settings(**told, untold=frozenset({"push_directly"}))) == UNKNOWN
    assert ready(with_settings(push_service=True)) == CONFIGURED
    assert ready(with_settings(**told, push_directly=True)) == CONFIGURED


@pytest.mark.parametrize(
    ("count", "number", "expected"),
    [(1, 0, [""]), (1, 7, [""]), (3, 0, ["_shard1", "_shard2", "_shard3"]), (3, 2, ["_shard2"])],
)
def test_push_workers_work_on_shards(count: int, number: int, expected: list[str]) -> None:
    here = with_settings(Worker(PUSH_QUEUE, NOOP), push_shards=count)
    for chosen in (
        registry.choose_named(here, [PUSH_QUEUE], number),
        registry.choose_all(here, number),
    ):
        assert [worker.queue for worker in chosen] == [PUSH_QUEUE + suffix for suffix in expected]


def test_a_shard_can_be_named_or_not_be_there() -> None:
    here = with_settings(Worker(PUSH_QUEUE, NOOP), push_shards=3)
    (chosen,) = registry.choose_named(here, [f"{PUSH_QUEUE}_shard3"])
    assert chosen.queue == f"{PUSH_QUEUE}_shard3"
    with pytest.raises(UsageError, match="no shard 4") as caught:
        registry.choose_named(here, [PUSH_QUEUE], 4)
    assert "1 to 3" in caught.value.hint
    assert {push_queue(user, 3) for user in range(9)} == set(shards(PUSH_QUEUE, 3, 0))
    assert push_queue(7, 1) == PUSH_QUEUE


@pytest.mark.parametrize("queue", sorted(LEFT_TO_THE_SERVER))
def test_what_the_server_handles_is_not_taken_from_it(
    queue: str, zops_in_process: ZopsInProcess, stub_broker: StubBroker
) -> None:
    stub_broker.publish(queue, [b"{}"])
    (listed,) = (
        each
        for each in zops_in_process("--json", "queue", "list").json()["queues"]
        if each["queue"] == queue
    )
    assert (listed["worker"], listed["handled_by"]) == (False, "the server")
    refused = zops_in_process("process-queue", queue, exit_code=3)
    assert f"zops has no worker for queue '{queue}'" in refused.stderr


STRANGER = """
from zcore import Worker, hookimpl

@hookimpl
def zops_queue_workers():
    return [Worker("embed_links", "dist_of_acme_links.worker:handle", "Looks at links.")]
"""
HANDLE = """
import json, os

def handle(events, context):
    with open(os.environ["ACME_FILE"], "a") as file:
        file.writelines(json.dumps(event.payload) + "\\n" for event in events)
"""


def test_a_strangers_plugin_can_handle_them(
    zops_in_process: ZopsInProcess,
    stub_broker: StubBroker,
    temporary_plugins: TemporaryPlugins,
    zops_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    temporary_plugins.install("acme_links", STRANGER, worker=HANDLE)
    zops_environment["ACME_FILE"] = str(tmp_path / "links")
    stub_broker.publish("embed_links", [encode_event({"urls": ["https://example.com"]})])
    zops_in_process("process-queue", "--all", "--drain")
    assert json.loads((tmp_path / "links").read_text()) == {"urls": ["https://example.com"]}
    (listed,) = (
        each
        for each in zops_in_process("--json", "queue", "list").json()["queues"]
        if each["queue"] == "embed_links"
    )
    assert listed["handled_by"] == "zops"


def test_what_cannot_be_written_is_tried_again(
    zops_in_process: ZopsInProcess,
    stub_broker: StubBroker,
    zops_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    zops_environment |= {"ZOPS_QUEUE_TEST_FILE": str(tmp_path), "ZOPS_QUEUE_ATTEMPTS": "2"}
    stub_broker.publish("test", [b"{}"])
    said = zops_in_process("process-queue", "test", "--drain", exit_code=5).stderr
    assert f"cannot write {tmp_path}: Is a directory" in said
