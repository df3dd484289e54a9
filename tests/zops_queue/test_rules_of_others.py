"""Rules of other plugins about queues and events: asked before anything is published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zcore import Context, Problem, Refused, Validator
from zcore.console import Console
from zcore.settings import Settings
from zcore.testing.plugins import hooks, plugins_of
from zops_queue.commands import publish, purge
from zops_queue.processing.start import process
from zops_queue.processing.workplace import Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zcore import QueuedEvent, Validation

HERE = "tests.zops_queue.test_rules_of_others"


def names_a_user(values: Sequence[QueuedEvent], context: Validation) -> Iterator[Problem]:
    for index, event in enumerate(values):
        if "user" not in event.payload:
            yield Problem("no-user", f"{event.queue}: no user", index=index)


def not_at_night(values: Sequence[str], context: Validation) -> Iterator[Problem]:
    for index, name in enumerate(values):
        if name == "noop":
            yield Problem("asleep", f"queue {name!r} sleeps", index=index)


@pytest.fixture
def here(tmp_path: Path) -> Context:
    """A place with the plugins of zops, and one with rules."""
    rules = [
        Validator("user", "queue.event", f"{HERE}:names_a_user"),
        Validator("night", "queue.name", f"{HERE}:not_at_night"),
    ]
    settings = Settings.load({}, {"ZOPS_HOME": str(tmp_path)}, tmp_path)
    acme = hooks(zops_validators=lambda: rules)
    return Context(settings, Console(quiet=True), plugins_of({"acme": acme}, ours=True))


def lines(tmp_path: Path, *events: dict[str, object]) -> str:
    path = tmp_path / "events"
    path.write_text("\n\n".join(map(json.dumps, events)))
    return str(path)


def test_an_event_that_a_rule_refuses_stops_all(here: Context, tmp_path: Path) -> None:
    path = lines(tmp_path, {"user": 1}, {"a": 1}, {"b": 1})
    with pytest.raises(Refused) as caught:
        publish(here, "user_activity", path, raw=False)
    assert [(one.code, one.index, one.message) for one in caught.value.problems] == [
        ("no-user", 3, "line 3: user_activity: no user"),
        ("no-user", 5, "line 5: user_activity: no user"),
    ]
    good = lines(tmp_path, {"user": 1})
    assert publish(here, "user_activity", good, raw=False).data == {"published": 1}


def test_problems_end_at_some_point(
    here: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zops_queue.event_validation.EVENTS_AT_ONCE", 7)
    path = lines(tmp_path, *[{"a": number} for number in range(100)])
    with pytest.raises(Refused) as caught:
        publish(here, "user_activity", path, raw=False)
    indexes = [problem.index for problem in caught.value.problems]
    assert indexes == list(range(1, 41, 2))


def test_raw_lines_are_sent_as_they_are(here: Context, tmp_path: Path) -> None:
    path = lines(tmp_path, {"a": 1})
    assert publish(here, "user_activity", path, raw=True).data == {"published": 1}


def test_a_queue_that_a_rule_refuses_is_not_touched(here: Context, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'noop' sleeps"):
        publish(here, "noop", lines(tmp_path, {"user": 1}), raw=False)
    with pytest.raises(Refused, match="'noop' sleeps"):
        process(here, ["noop"], False, Options(drain=True))
    with pytest.raises(Refused, match="'noop' sleeps"):
        purge(here, "noop", yes=True)
