"""Finding the broker that the settings name, and publishing to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from zcore import BrokerKind, Context, Refused
from zcore.broker import Event, encode_event, open_broker, provided, publish_events
from zcore.console import Console
from zcore.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zcore.plugins import Plugins

HERE = "tests.zcore.test_broker"


class Declared:
    """What plugins declare, without installing them."""

    def __init__(self, **kinds: object) -> None:
        self._kinds = kinds

    def call(self, hook_name: str) -> list[tuple[str, object]]:
        assert hook_name == "zops_queue_brokers"
        return list(self._kinds.items())


class Shelf:
    """A broker that only remembers what is published."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.published: list[tuple[str, bytes]] = []
        self.closed = False

    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        before = len(self.published)
        self.published += [(queue, body) for body in bodies]
        return len(self.published) - before

    def close(self) -> None:
        self.closed = True


shelves: list[Shelf] = []


def connect(url: str, settings: Settings) -> Shelf:
    shelves.append(Shelf(url))
    return shelves[-1]


def fail(url: str, settings: Settings) -> Shelf:
    raise AssertionError("the wrong broker was chosen")


def context(folder: Path, broker: str, **kinds: object) -> Context:
    environment = {"ZOPS_HOME": str(folder), "ZOPS_BROKER": broker}
    settings = Settings.load({}, environment, folder)
    return Context(settings, Console(), cast("Plugins", Declared(**kinds)))


def test_the_scheme_chooses_the_broker_and_the_first_plugin_counts(tmp_path: Path) -> None:
    here = context(
        tmp_path,
        "amqp://host/vhost",
        acme=[BrokerKind("embedded", f"{HERE}:fail"), BrokerKind("amqp", f"{HERE}:connect")],
        beta=[BrokerKind("amqp", f"{HERE}:fail")],
    )
    found = open_broker(here)
    assert isinstance(found, Shelf)
    assert found.url == "amqp://host/vhost"


def test_an_unknown_scheme_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    here = context(tmp_path, "embedded", acme=[BrokerKind("amqp", f"{HERE}:fail")])
    with pytest.raises(Refused, match="'embedded'") as caught:
        open_broker(here)
    assert "amqp" in caught.value.hint


def test_publishing_encodes_as_the_server_does_and_closes(tmp_path: Path) -> None:
    here = context(tmp_path, "embedded", acme=[BrokerKind("embedded", f"{HERE}:connect")])
    count = publish_events(here, "q", ({"n": n, "text": "ü"} for n in range(2)))
    assert count == 2
    shelf = shelves[-1]
    assert shelf.published == [
        ("q", '{"n":0,"text":"ü"}'.encode()),
        ("q", '{"n":1,"text":"ü"}'.encode()),
    ]
    assert shelf.closed


def test_values_of_another_kind_are_passed_over_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = BrokerKind("amqp", f"{HERE}:connect")
    here = context(tmp_path, "embedded", acme=["what?", good], beta=7)
    assert list(provided(here, "zops_queue_brokers", BrokerKind)) == [("acme", good)]
    said = capsys.readouterr().err
    assert "'acme'" in said
    assert "'beta'" in said


def test_an_event_is_a_delivery_with_a_payload() -> None:
    payload = {"a": [1, None], "b": "ü"}
    event = Event(queue="q", body=encode_event(payload), tag=7, payload=payload)
    assert (event.attempts, event.redelivered) == (0, False)
    assert json.loads(event.body) == event.payload
