"""The command line that is made of `Command` values.

A `Command` is a promise of a click command: names and help come from the value, and what it
stands for is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zcore.builtin import GROUP as OWN_HEADING
from zcore.errors import Failed, UsageError
from zcore.signals import let_through
from zcore.targets import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore.plugins import Plugins
    from zcore.values import Command


def kebab(name: str) -> str:
    """The spelling that counts: `create_user` is `create-user`."""
    return name.replace("_", "-")


MOST_EXAMPLES = 8
HELP_NAMES = ["-h", "--help"]

# what is passed on from the program to every command and sub-command below it
CONTEXT_SETTINGS = {
    "token_normalize_func": kebab,
    "help_option_names": HELP_NAMES,
    "show_default": True,
}


class CommandGroup(click.Group):
    """`zops` itself: lists the commands of `plugins` without importing them.

    `running` is the one that was used.
    """

    def __init__(self, plugins: Plugins, **attributes: Any) -> None:
        super().__init__(context_settings=CONTEXT_SETTINGS, **attributes)
        self._promised = {command.name: command for command in plugins.commands()}
        self._plugins = plugins
        self.running: Command | None = None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(self._promised)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of this name; None when there is none.

        Raises `Failed` naming whose it is when it cannot be imported.
        """
        promised = self._promised.get(kebab(cmd_name))
        if promised is None:
            return None
        found = resolve(promised.target, owner=lambda: self._plugins.provider(promised))
        if not isinstance(found, click.Command):
            owner, kind = self._plugins.provider(promised), type(found).__name__
            raise Failed(
                f"{owner}: {promised.target!r} is a {kind}, not a click command",
                hint="mend or reinstall the plugin, or switch it off with --disable-plugin",
                code="broken-target",
            )
        _adopt(found)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first of `args` names. Raises `UsageError` with a suggestion."""
        name = kebab(args[0])
        command = self.get_command(ctx, name)
        if command is None:
            raise UsageError(f"there is no command {args[0]!r}", hint=self._suggestion(name))
        self.running = self._promised.get(name)
        if not (self.running and self.running.restarts):
            let_through()
        return name, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, under the headings that they asked for; the core's own are the last."""
        by_heading: dict[str, list[Command]] = {}
        for command in self._promised.values():
            by_heading.setdefault(self._heading(command), []).append(command)
        for heading in sorted(by_heading, key=lambda name: (name == OWN_HEADING, name.casefold())):
            with formatter.section(heading):
                formatter.write_dl([(one.name, one.help) for one in by_heading[heading]])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Some examples, and where there are more."""
        examples = [command.example for command in self._promised.values() if command.example]
        if examples:
            with formatter.section("Examples"):
                formatter.write_text("\b\n" + "\n".join(examples[:MOST_EXAMPLES]))
        super().format_epilog(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Completions of a shell: the names, again without importing anything."""
        from click.shell_completion import CompletionItem

        names = [command for name, command in self._promised.items() if name.startswith(incomplete)]
        items = [CompletionItem(command.name, help=command.help) for command in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def _heading(self, command: Command) -> str:
        return command.group or self._plugins.plugin_of(command) or OWN_HEADING

    def _suggestion(self, name: str) -> str:
        from difflib import get_close_matches

        close = get_close_matches(name, self._promised)
        return f"{did_you_mean(close)} see 'zops --help'" if close else "see 'zops --help'"


def did_you_mean(names: Sequence[str]) -> str:
    """The question whether one of `names` was meant."""
    return f"did you mean {' or '.join(map(repr, names))}?"


def _adopt(command: click.Command) -> None:
    """Give a command, and those below it, what every command of `zops` has."""
    declared = {name for option in command.params for name in option.opts}
    if "--json" not in declared:
        command.params.append(json_option())
    for option in command.params:
        if isinstance(option, click.Option) and option.envvar:
            option.show_envvar = True
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _adopt(below)


def json_option() -> click.Option:
    """`--json`, accepted before and after the command's name.

    It is only declared here: how errors are shown must be known before anything is parsed, so
    the program looks for it first (`zcore.program`).
    """
    return click.Option(
        ["--json"], is_flag=True, expose_value=False, help="Print one JSON document on stdout."
    )
