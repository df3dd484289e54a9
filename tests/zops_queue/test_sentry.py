"""What workers report to Sentry, and what never leaves; a real server takes it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from zcore.scrubbing import REMOVED, scrub_text, scrub_value, texts_in

if TYPE_CHECKING:
    from tests.sentry_server import SentryServer
    from zcore.testing.commands import Completed, Zops
    from zcore.testing.plugins import TemporaryPlugins

SECRET = "the-text-of-a-message"  # noqa: S105 # no password
PLUGIN = """
import sys
from zcore import Worker, hookimpl
from zcore.broker import Rejected

@hookimpl
def zops_queue_workers():
    return [Worker("acme_orders", "dist_of_acme.plugin:handle", batch=10)]

def handle(events, context):
    if context.settings.sentry_dsn is None and "sentry_sdk" in sys.modules:
        raise RuntimeError("sentry_sdk was imported for nothing")
    if any(event.payload.get("fail") for event in events):
        quoted = events[0].payload["content"]
        password = "hsuh"[::-1]  # so that the source, which is sent, does not have it
        raise LookupError(f"{quoted} at amqp://zops:{password}@localhost")
    return [Rejected(event, f"no {event.payload['content']}") for event in events
            if event.payload.get("odd")]
"""
EVENTS = [
    {"content": "fine"},
    {"fail": True, "content": SECRET, "token": "hush-hush"},
    {"odd": True, "content": SECRET},
]


@pytest.fixture
def acme(zops: Zops, temporary_plugins: TemporaryPlugins) -> Zops:
    """`zops` with a worker, and events for it."""
    temporary_plugins.install("acme", PLUGIN)
    zops.environment["ZOPS_QUEUE_ATTEMPTS"] = "2"
    zops("queue", "publish", "acme_orders", stdin="".join(f"{json.dumps(e)}\n" for e in EVENTS))
    return zops


def drain(acme: Zops) -> Completed:
    done = acme("process-queue", "acme_orders", "--drain", "--worker-num", "3", exit_code=5)
    assert done.stdout.startswith("processed 1 events"), done
    return done


def test_errors_say_where_and_not_what(acme: Zops, sentry: SentryServer) -> None:
    acme.environment["SENTRY_DSN"] = sentry.dsn
    drain(acme)
    first, last, given_up = sorted(
        sentry.of("event"), key=lambda each: (each["level"] == "error", "message" in each)
    )
    assert [each["level"] for each in (first, last, given_up)] == ["warning", "error", "error"]
    assert [each["tags"] for each in (first, last)] == [
        {"queue": "acme_orders", "worker": "3", "attempt": attempt} for attempt in ("1", "2")
    ]
    assert first["fingerprint"] == last["fingerprint"] == ["zops", "acme_orders", "LookupError"]
    (said,) = first["exception"]["values"]
    assert said["value"] == f"{REMOVED} at amqp://zops:***@localhost"
    assert said["stacktrace"]["frames"][-1]["function"] == "handle"
    assert "vars" not in said["stacktrace"]["frames"][-1]
    assert given_up["message"] == f"an event of acme_orders is given up: no {REMOVED}"
    assert first["contexts"]["queued event"]["bytes"] == len(json.dumps(EVENTS[1]).replace(" ", ""))
    assert not sentry.of("transaction")
    assert not any(word in raw for raw in sentry.raw for word in (SECRET, "hush"))


def test_what_events_say_is_sent_only_when_asked_for_and_without_secrets(
    acme: Zops, sentry: SentryServer
) -> None:
    acme.environment |= {"SENTRY_DSN": sentry.dsn, "ZOPS_QUEUE_SENTRY_BODIES": "true"}
    drain(acme)
    error = next(each for each in sentry.of("event") if "exception" in each)
    assert error["contexts"]["queued event"]["body"] == {
        "fail": True,
        "content": SECRET,
        "token": REMOVED,
    }
    assert not any("hush" in raw for raw in sentry.raw)


@pytest.mark.parametrize(
    ("shares", "is_timed"),
    [("acme_orders=1", True), ("1", True), ("1,acme_orders=0", False), ("other=1", False)],
)
def test_calls_are_timed_where_it_is_said(
    acme: Zops, sentry: SentryServer, shares: str, is_timed: bool
) -> None:
    acme.environment |= {"SENTRY_DSN": sentry.dsn, "ZOPS_QUEUE_SENTRY_TRACES": shares}
    drain(acme)
    timed = sentry.of("transaction")
    assert bool(timed) == is_timed
    assert {each["transaction"] for each in timed} <= {"consume acme_orders"}
    if is_timed:
        statuses = [each["contexts"]["trace"].get("status") for each in timed]
        assert "internal_error" in statuses
        assert statuses.count("internal_error") < len(statuses)


def test_shares_that_are_none_are_refused(acme: Zops, sentry: SentryServer) -> None:
    acme.environment |= {"SENTRY_DSN": sentry.dsn, "ZOPS_QUEUE_SENTRY_TRACES": "acme_orders=many"}
    refused = acme("process-queue", "acme_orders", "--drain", exit_code=3)
    assert "'acme_orders=many' is not a share from 0 to 1" in refused.stderr


def test_a_sentry_that_does_not_answer_keeps_nobody(acme: Zops) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        acme.environment["SENTRY_DSN"] = f"http://public@127.0.0.1:{silent.getsockname()[1]}/7"
        acme.timeout = 60
        drain(acme)


def test_without_a_dsn_or_with_a_wrong_one_the_work_is_done(acme: Zops) -> None:
    assert "sentry" not in drain(acme).stderr.lower()
    acme("queue", "replay", "acme_orders")
    acme("queue", "publish", "acme_orders", stdin='{"content": "fine"}\n')
    acme.environment["SENTRY_DSN"] = "no DSN"
    assert "errors are not reported: the setting 'sentry_dsn'" in drain(acme).stderr


def test_what_a_database_quotes_is_scrubbed() -> None:
    said = (
        "(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint\n"
        "DETAIL:  Key (email)=(hush@example.com) already exists.\n\n"
        "[SQL: INSERT INTO t (email) VALUES (%(email)s)]\n"
        "[parameters: {'email': 'hush@example.com',\n 'name': 'hush'}]"
    )
    scrubbed = scrub_text(said, [])
    assert "hush" not in scrubbed
    assert "INSERT INTO t" in scrubbed


def test_data_is_scrubbed_all_the_way_down() -> None:
    data = {"a": [{"api_key": "x", "activate_url": "y", "b": ["amqp://u:p@h", 1, None]}]}
    assert scrub_value(data) == {
        "a": [{"api_key": REMOVED, "activate_url": REMOVED, "b": ["amqp://u:***@h", 1, None]}]
    }
    assert texts_in({"a": ["long text", "ab", 12345678], "b": {"c": "text"}}) == [
        "long text",
        "text",
    ]
