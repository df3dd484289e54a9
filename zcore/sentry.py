"""What is told to Sentry where a DSN is set: here the bugs that end a command.

Of an error it is told where it happened, and its words without secrets and without what was given
on the command line; no variables. Workers of queues tell more, by the same options.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from zcore.scrubbing import scrub_report, texts_in
from zcore.settings_table import SETTINGS
from zcore.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sentry_sdk.types import Event

    from zcore.settings import Settings

SECONDS_TO_FLUSH = 2.0


def client_options(dsn: str) -> dict[str, Any]:
    """How a client of Sentry's library is to be made: it reports what it is told, and no more."""
    return {
        "dsn": dsn,
        "release": f"zops@{__version__}",
        "server_name": socket.gethostname(),
        "default_integrations": False,  # they would change other libraries, and wait at the end
        "auto_enabling_integrations": False,
        "include_local_variables": False,
        "send_default_pii": False,
        "max_breadcrumbs": 0,
    }


def report_bug(
    error: BaseException, settings: Settings, *, command: str, whose: str, arguments: Sequence[str]
) -> None:
    """Report what ended `command`, a bug in `whose` code; `arguments` are what it was called with.

    Takes `SECONDS_TO_FLUSH` at most, and never raises: the command has failed already.
    """
    with suppress(Exception, KeyboardInterrupt):
        quotable = [*_given(arguments, command), *_secrets(settings)]
        _report(error, settings, {"command": command, "maker": whose}, texts_in(quotable))


def _given(arguments: Sequence[str], command: str) -> Iterator[str]:
    """What an error could quote of the command line: all but the names of options and commands."""
    for argument in arguments:
        if argument.startswith("--"):
            yield argument.partition("=")[2]
        elif argument.startswith("-"):
            yield argument[2:]  # -rVALUE
        elif argument != command:
            yield argument


def _secrets(settings: Settings) -> Iterator[str]:
    values = (getattr(settings, each.name) for each in SETTINGS if each.secret)
    return (value for value in values if isinstance(value, str))


def _report(
    error: BaseException, settings: Settings, tags: dict[str, str], quotable: Sequence[str]
) -> None:
    import sentry_sdk
    from sentry_sdk.utils import event_from_exception

    client = sentry_sdk.Client(**client_options(settings.sentry_dsn or ""))
    try:
        report, hint = event_from_exception(error, client_options=client.options)
        report["tags"] = tags
        report["fingerprint"] = ["zops", tags["command"], type(error).__name__]
        told = scrub_report(cast("dict[str, Any]", report), quotable)
        client.capture_event(cast("Event", told), hint)
    finally:
        client.close(timeout=SECONDS_TO_FLUSH)
