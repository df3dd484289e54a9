"""Finding the broker that the settings name, and publishing to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zcore import BrokerKind, Context, Refused
from zcore.broker import Event, encode_event, open_broker, publish_events
from zcore.console import Console
from zcore.settings import Settings
from zcore.testing.plugins import hooks, plugins_of
from zops_queue import hookspecs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HERE = "tests.zcore.test_broker"


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
    plugins = {name: _declaring(given) for name, given in kinds.items()}
    plugins["zz-specs"] = hooks(zops_hookspecs=lambda: hookspecs)
    return Context(settings, Console(), plugins_of(plugins))


def _declaring(given: object) -> object:
    return hooks(zops_queue_brokers=lambda: given)


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


def test_an_event_is_a_delivery_with_a_payload() -> None:
    payload = {"a": [1, None], "b": "ü"}
    event = Event(queue="q", body=encode_event(payload), tag=7, payload=payload)
    assert (event.attempts, event.redelivered) == (0, False)
    assert json.loads(event.body) == event.payload
