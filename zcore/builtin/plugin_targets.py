"""What the targets of a plugin's values lead to, for `zops plugins check`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from zcore.builtin.plugin_declarations import KEBAB, label
from zcore.errors import ZopsError
from zcore.targets import resolve
from zcore.values import (
    BrokerKind,
    Check,
    Command,
    FileStoreKind,
    Finding,
    Rewrite,
    Stage,
    Validator,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# for each field that names a function, what the function is called with
CALLS: dict[type, dict[str, tuple[str, ...]]] = {
    BrokerKind: {"target": ("url", "settings")},
    Check: {"target": ("context",)},
    FileStoreKind: {"target": ("place", "settings")},
    Rewrite: {"target": ("table",)},
    Stage: {"target": ("job",), "estimate": ("job",)},
    Validator: {"target": ("values", "context")},
    Worker: {"target": ("events", "context"), "ready": ("context",)},
}


def target_findings(value: object, where: str) -> Iterator[Finding]:
    """Imports everything that a value stands for, and looks whether it can be used as meant."""
    calls = CALLS.get(type(value), {"target": None})
    for field, arguments in calls.items():
        target = getattr(value, field, "")
        if not isinstance(target, str) or not target:
            continue
        try:
            found = resolve(target)
        except ZopsError as error:
            yield Finding(error.code, error.message, where, f"it is of the {label(value)}")
            continue
        if isinstance(value, Command):
            yield from _command_findings(value, found, where)
        elif not callable(found):
            yield Finding("broken-target", f"{target!r} cannot be called", where)
        elif arguments is not None and (problem := _wrong_call(found, arguments)):
            yield Finding(
                "wrong-signature",
                f"{target!r} cannot be called with ({', '.join(arguments)}): {problem}",
                where,
                f"it is of the {label(value)}",
            )


def _wrong_call(function: Callable[..., object], arguments: tuple[str, ...]) -> str:
    """Why `function` does not take that many arguments; "" when it does, or nobody can tell."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*arguments)
    except TypeError as error:
        return str(error)
    return ""


def _command_findings(command: Command, found: object, where: str) -> Iterator[Finding]:
    if isinstance(found, click.Command):
        yield from _click_findings(found, command.name, where)
    else:
        message = f"{command.target!r} is a {type(found).__name__}, not a click command"
        yield Finding("broken-target", message, where, "decorate it with @click.command()")


def _click_findings(command: click.Command, name: str, where: str) -> Iterator[Finding]:
    """What is wrong with a command and those below it."""
    if not command.help:
        hint = "give its function a docstring"
        yield Finding("no-help", f"the command {name!r} has no help", where, hint)
    for parameter in command.params:
        yield from _parameter_findings(parameter, name, where)
    if command.callback is not None and (problem := _wrong_parameters(command)):
        yield Finding(
            "wrong-signature",
            f"the function of the command {name!r} does not take its parameters: {problem}",
            where,
        )
    if isinstance(command, click.Group):
        for below, found in command.commands.items():
            if not KEBAB.fullmatch(below):
                yield Finding("bad-name", f"the command {below!r} is not in kebab case", where)
            yield from _click_findings(found, f"{name} {below}", where)


def _parameter_findings(parameter: click.Parameter, name: str, where: str) -> Iterator[Finding]:
    if not isinstance(parameter, click.Option) or parameter.hidden:
        return
    option = parameter.opts[-1]
    if not parameter.help:
        message = f"the option {option} of the command {name!r} has no help"
        yield Finding("no-help", message, where, "say in one line what it is for (help=...)")
    for spelling in (*parameter.opts, *parameter.secondary_opts):
        if spelling.startswith("--") and not KEBAB.fullmatch(spelling[2:]):
            message = f"the option {spelling} of the command {name!r} is not in kebab case"
            yield Finding("bad-name", message, where)


def _wrong_parameters(command: click.Command) -> str:
    """Why the function of a command cannot be called with what click reads; "" when it can."""
    names = {one.name: None for one in command.params if one.expose_value and one.name}
    try:
        inspect.signature(command.callback, follow_wrapped=False).bind(**names)  # type: ignore[arg-type] # it has one
    except TypeError as error:
        return str(error)
    return ""
