"""The page of the command line."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from tools.docs.markdown import code, fence, link, table
from tools.docs.markdown import page as written
from tools.docs.ours import our_plugins
from zcore.commands import CONTEXT_SETTINGS
from zcore.global_options import declared_options
from zcore.targets import resolve

if TYPE_CHECKING:
    from zcore.values import Command

INTRODUCTION = """
Commands and options are written in kebab case; underscores work too (`create_user`,
`--queue_name`). Each command has `-h`, `--help`, and takes `--json` also after its name.
"""
EVERYWHERE = {"--json", "--help"}  # what each command has


def page() -> str:
    """Every command of zops and of our plugins."""
    top = top_context()
    contexts = list(below(top))
    index = table(
        ("command", "", "plugin"),
        [(link(code(_name(one)), _name(one)), _help(one), _owner(one)) for one in contexts],
    )
    sections = [_section(one) for one in contexts]
    return written("Commands", INTRODUCTION, index, _before(top), *sections)


def top_context() -> click.Context:
    """A context of `zops` itself, with our plugins."""
    commands = {command.name: _resolved(command) for command in our_plugins().commands()}
    settings: dict[str, Any] = {**CONTEXT_SETTINGS}
    group = click.Group("zops", commands, params=declared_options(), context_settings=settings)
    return _context(group, "zops")


def below(context: click.Context) -> Iterator[click.Context]:
    """A context for each command below that of `context`, and for those below them."""
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            inner = _context(command, name, context)
            yield inner
            yield from below(inner)


def _resolved(command: Command) -> click.Command:
    found = resolve(command.target)
    assert isinstance(found, click.Command)  # noqa: S101 # else its plugin is broken
    return found


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    settings: dict[str, Any] = {**command.context_settings}
    return click.Context(command, info_name=name, parent=parent, **settings)


def _before(top: click.Context) -> str:
    usage = fence("text", "zops [OPTIONS] COMMAND [ARGS]...")
    return "\n\n".join(["## Before the command", usage, _options(top, leave_out={"--help"})])


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    level = "#" * len(_name(context).split())
    parts = [f"{level} {_name(context)}", fence("text", usage)]
    parts += [_text(command.help), _options(context, leave_out=EVERYWHERE), _text(command.epilog)]
    return "\n\n".join(part for part in parts if part)


def _options(context: click.Context, *, leave_out: set[str]) -> str:
    """The arguments and options of a command, each with what its help says."""
    rows = []
    for parameter in context.command.get_params(context):
        if isinstance(parameter, click.Option):
            parameter.show_envvar = bool(parameter.envvar)  # as zops does
        hidden = getattr(parameter, "hidden", False) or leave_out & {*parameter.opts}
        record = None if hidden else parameter.get_help_record(context)
        if record is not None:
            rows.append((code(record[0]), record[1] or _argument(parameter)))
    return table(("", ""), rows) if rows else ""


def _argument(parameter: click.Parameter) -> str:
    """Of an argument, click knows only whether it is needed."""
    return "needed" if parameter.required else "can be left out"


def _text(text: str | None) -> str:
    """The text of a help: click's unwrapped paragraphs are examples, or lists, as they stand."""
    paragraphs = inspect.cleandoc(text or "").replace("\f", "").split("\n\n")
    return "\n\n".join(_paragraph(one) for one in paragraphs if one)


def _paragraph(text: str) -> str:
    if not text.startswith("\b\n"):
        return text
    first, _, rest = text.removeprefix("\b\n").partition("\n")
    if not first.endswith(":"):
        return fence("text", text.removeprefix("\b\n"))
    return f"{first}\n\n{fence('sh', textwrap.dedent(rest))}"


def _help(context: click.Context) -> str:
    return context.command.get_short_help_str(limit=1000)


def _name(context: click.Context) -> str:
    return context.command_path


def _owner(context: click.Context) -> str:
    """The plugin that a command is of."""
    plugins = our_plugins()
    first = _name(context).split()[1]
    command = next(one for one in plugins.commands() if one.name == first)
    return plugins.plugin_of(command) or "zops itself"
