"""`zops plugins show NAME --trace COMMAND...`: what of one plugin runs in a command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict, cast

import click

from zcore.commands import kebab
from zcore.console import table
from zcore.context import current
from zcore.errors import UsageError, ZopsError
from zcore.plugin_hooks import is_list
from zcore.text import describe, mask_passwords, one_line
from zcore.values import CheckResult, Problem, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.plugin_hooks import Ran
    from zcore.plugins import Plugins

LONGEST_RESULT = 200  # characters


class Traced(TypedDict):
    """A hook or a value of the plugin that ran. `began` counts from the start of the command.

    Times are in seconds; `error` is "" for what came to its end, else `result` is.
    """

    what: str
    began: float
    seconds: float
    result: str
    error: str


class Trace:
    """What of the plugin `name` ran since this was made. Told from any thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._began = time.monotonic()
        self._ran: list[Ran] = []

    def note(self, ran: Ran) -> None:
        """Something of a plugin ran."""
        if ran.plugin == self._name:
            self._ran.append(ran)

    def entries(self) -> list[Traced]:
        """Everything, in the order in which it began."""
        return [self._entry(ran) for ran in sorted(self._ran, key=lambda ran: ran.began)]

    def text(self) -> str:
        """The same, for people."""
        entries = self.entries()
        if not entries:
            return f"nothing of the plugin {self._name!r} ran"
        rows = [
            (
                f"{entry['began'] * 1000:.1f}",
                f"{entry['seconds'] * 1000:.1f}",
                entry["what"],
                f"error: {entry['error']}" if entry["error"] else entry["result"],
            )
            for entry in entries
        ]
        return table(("AT MS", "TOOK MS", f"OF PLUGIN {self._name}", "RESULT"), rows)

    def _entry(self, ran: Ran) -> Traced:
        failed = isinstance(ran.outcome, BaseException)
        shown = _shortened(mask_passwords(one_line(_outcome(ran.outcome))))
        return Traced(
            what=ran.what,
            began=round(ran.began - self._began, 6),
            seconds=round(ran.seconds, 6),
            result="" if failed else shown,
            error=shown if failed else "",
        )


class TracingCommand(click.Command):
    """A command with `--trace`: whatever comes after it is a command line of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the command line off before the rest is parsed: its options are not ours."""
        own, flag, traced = args, "", list[str]()
        if "--trace" in args:
            at = args.index("--trace")
            own, flag, traced = args[:at], args[at], args[at + 1 :]
        rest = super().parse_args(ctx, own)
        ctx.params["trace"] = tuple(traced) if flag else None
        return rest


def trace_command(name: str, arguments: Sequence[str]) -> object:
    """Run the command line `arguments`, and show what of the plugin `name` ran in it.

    Returns what the command returns and raises what it raises. What ran is shown in any case.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UsageError(
            "a command is missing after --trace",
            hint="options for all commands come before 'plugins'",
        )
    context = current()
    trace = Trace(name)
    try:
        with context.plugins.watched_by(trace.note):
            return _run(context.plugins, arguments)
    finally:
        context.console.add("trace", trace.entries(), trace.text())


def _run(plugins: Plugins, arguments: Sequence[str]) -> object:
    """Run a command line as the program does, with the `zops` that is running."""
    program = cast("click.Group", click.get_current_context().find_root().command)
    name = kebab(arguments[0])
    command = next((command for command in plugins.commands() if command.name == name), None)
    with (
        plugins.running(command, f"command {name}") as outcome,
        program.make_context("zops", list(arguments)) as context,
    ):
        outcome.append(program.invoke(context))
    return outcome[0]


def _outcome(outcome: object) -> str:
    """What came of it, in a few words."""
    match outcome:
        case None:
            return "nothing"
        case ZopsError():
            return outcome.message
        case BaseException():
            return describe(outcome)
        case Result():
            return _counted(len(outcome.findings), "finding")
        case CheckResult():
            return f"{outcome.status}: {outcome.message}"
        case Mapping():
            return ", ".join(f"{key} {value}" for key, value in outcome.items()) or "nothing"
    if is_list(outcome):
        return ", ".join(_named(outcome)) or "none"
    return str(outcome)


def _named(values: object) -> Iterator[str]:
    """The names of what a hook gave, or what a validator found."""
    for value in values if is_list(values) else ():
        if isinstance(value, Problem):
            yield f"{value.code}: {value.message}"
        else:
            fields = vars(value) if hasattr(value, "__dict__") else {}
            yield str(next(iter(fields.values()), value))


def _counted(number: int, what: str) -> str:
    return "done" if not number else f"done, with {number} {what}{'s' * (number > 1)}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_RESULT else f"{text[: LONGEST_RESULT - 1]}…"
