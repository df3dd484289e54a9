"""Bugs that end a command, told to a Sentry that is there, or is not."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from zcore.scrubbing import REMOVED

if TYPE_CHECKING:
    from tests.sentry_server import SentryServer
    from zcore.testing.commands import Zops
    from zcore.testing.plugins import TemporaryPlugins

PLUGIN = """
from zcore import Command, hookimpl

@hookimpl
def zops_commands():
    return [Command("greet", "dist_of_acme.cli:greet", "Greets somebody.")]
"""
CLI = """
import click
import zcore

@click.command()
@click.argument("who")
@click.option("--say", default="")
@click.option("-b", "--by", default="")
def greet(who, say, by):
    if say == "nothing":
        raise zcore.Failed("no luck")
    password = "hsuh"[::-1]  # so that the source, which is sent, does not have it
    raise LookupError(f"greet: {who} was told {say} by {by} at amqp://zops:{password}@localhost")
"""
GREET = ("greet", "ann@a.test", "--say=good morning", "-bMia Meier")


@pytest.fixture
def acme(zops: Zops, temporary_plugins: TemporaryPlugins) -> Zops:
    """`zops` with a command that has a bug."""
    temporary_plugins.install("acme", PLUGIN, cli=CLI)
    return zops


def test_a_bug_is_told_without_secrets_and_what_was_given(acme: Zops, sentry: SentryServer) -> None:
    acme.environment["SENTRY_DSN"] = sentry.dsn
    done = acme("--json", *GREET, exit_code=70)
    assert done.codes() == {"bug"}
    (report,) = sentry.of("event")
    (said,) = report["exception"]["values"]
    assert said["type"] == "LookupError"
    assert (
        said["value"]
        == f"greet: {REMOVED} was told {REMOVED} by {REMOVED} at amqp://zops:***@localhost"
    )
    last = said["stacktrace"]["frames"][-1]
    assert (last["function"], "vars" in last) == ("greet", False)
    assert report["level"] == "error"
    assert report["tags"] == {"command": "greet", "maker": "plugin 'acme' (dist-of-acme 1.0)"}
    assert report["fingerprint"] == ["zops", "greet", "LookupError"]
    secrets = ("hush", "ann@a.test", "good morning", "Mia Meier")
    assert not any(word in raw for raw in sentry.raw for word in secrets)


def test_what_is_no_bug_is_told_nobody(acme: Zops, sentry: SentryServer) -> None:
    acme.environment["SENTRY_DSN"] = sentry.dsn
    acme("greet", "ann", "--say=nothing", exit_code=1)
    acme("greet", exit_code=2)
    assert sentry.raw == []


def test_a_sentry_that_is_not_there_changes_nothing(acme: Zops) -> None:
    acme.timeout = 60
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        acme.environment["SENTRY_DSN"] = f"http://public@127.0.0.1:{port}/7"
        assert "this is a bug in plugin 'acme'" in acme(*GREET, exit_code=70).stderr
    for dsn in (f"http://public@127.0.0.1:{port}/7", "no DSN"):
        acme.environment["SENTRY_DSN"] = dsn
        last = acme(*GREET, exit_code=70).stderr.splitlines()[-1]
        assert "this is a bug in plugin 'acme'" in last
