"""Kinds of values on the command lines of this plugin."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from click.types import StringParamType

from zcore import Worker, current
from zcore.options import completions

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COUNT = click.IntRange(min=1)
PREFETCH = click.IntRange(min=1, max=65_535)
SECONDS = click.FloatRange(min=0, min_open=True)
GRACE = click.FloatRange(min=0)
PORTS = 65_536
LOOPBACK = "127.0.0.1"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class QueueName(StringParamType):
    """A queue; completes those that there are workers for."""

    name = "queue"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The queues that begin with `incomplete`."""
        workers = current().plugins.available("zops_queue_workers", Worker)
        return completions((worker.queue for _, worker in workers), incomplete)


class Age(click.ParamType[timedelta]):
    """A length of time: a number and its unit, such as `90s`, `30m`, `2h`, `7d`, `4w`."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The length of time that `value` says."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,5})([smhdw])", str(value))
        if match is None:
            self.fail(f"{value!r} is not a number with s, m, h, d or w: 30m, 2h, 7d", param, ctx)
        return timedelta(**{UNITS[match[2]]: int(match[1])})


class HttpAddress(click.ParamType[tuple[str, int]]):
    """A host and a port to listen on; without a host, only this machine gets there."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """The host and the port that `value` says."""
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not (port.isascii() and port.isdecimal() and int(port) < PORTS):
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


QUEUE = QueueName()
HTTP_ADDRESS = HttpAddress()
AGE = Age()
