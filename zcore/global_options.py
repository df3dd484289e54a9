"""The options that come before the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zcore.commands import HELP_NAMES, json_option, kebab
from zcore.errors import UsageError
from zcore.frozen import frozen
from zcore.options import PluginName
from zcore.settings import Flags
from zcore.settings_table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem


@frozen
class GlobalOptions:
    """What was said before the command; `rest` is the command and what comes after it."""

    flags: Flags
    quiet: bool
    verbosity: int
    version: bool
    rest: tuple[str, ...]


def declared_options() -> list[click.Parameter]:
    """The options, for parsing and for the help."""
    return [
        click.Option(["--database"], metavar="URL", help=_help("database_url")),
        click.Option(
            ["--config"],
            metavar="FILE",
            shell_complete=_files,
            help="The configuration file, instead of the first of ./zops.toml, the user's and "
            "/etc/zops/zops.toml.  [env var: ZOPS_CONFIG]",
        ),
        json_option(),
        click.Option(
            ["-q", "--quiet"], is_flag=True, help="No notes and no progress, only warnings."
        ),
        click.Option(
            ["-v", "--verbose"], count=True, show_default=False, help="Say more, on stderr."
        ),
        click.Option(
            ["--disable-plugin"],
            metavar="NAME",
            multiple=True,
            type=PluginName(),
            help="Leave a plugin out; * leaves all out. Can be given several times.  "
            f"[env var: {BY_NAME['disabled_plugins'].env}, with commas]",
        ),
        click.Option(["--version"], is_flag=True, help="Show the version and exit."),
    ]


def parse_global_options(arguments: Sequence[str], *, completing: bool = False) -> GlobalOptions:
    """Take apart what comes before the command. Raises `click.UsageError` or ours.

    This happens before the plugins are loaded, because it may say which ones not to load. A line
    that is still being typed (`completing`) may break off anywhere.
    """
    help_option = click.Option(HELP_NAMES, is_flag=True)
    parser = click.Command("zops", params=[*declared_options(), help_option], add_help_option=False)
    context = parser.make_context(
        "zops",
        list(arguments),
        allow_interspersed_args=False,
        allow_extra_args=True,
        token_normalize_func=kebab,
        resilient_parsing=completing,
    )
    given = context.params
    return GlobalOptions(
        flags=_flags(given),
        quiet=given["quiet"],
        verbosity=given["verbose"],
        version=given["version"],
        rest=("--help",) if given["help"] else tuple(context.args),
    )


def _flags(given: dict[str, object]) -> Flags:
    flags = Flags()
    if given["database"] is not None:
        flags["database_url"] = _not_empty("--database", given["database"])
    if given["config"] is not None:
        flags["config"] = _not_empty("--config", given["config"])
    names = given["disable_plugin"]
    if isinstance(names, tuple) and names:
        flags["disabled_plugins"] = names
    return flags


def _files(
    context: click.Context, option: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Lets the shell complete the name of a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _not_empty(option: str, value: object) -> str:
    """An empty value is most often a shell variable that is not set: the default is not meant."""
    if not value:
        raise UsageError(
            f"the value of {option} is empty",
            hint=f"give a value, or leave {option} out; a shell variable that is not set is empty",
        )
    return str(value)


def _help(name: str) -> str:
    setting = BY_NAME[name]
    return f"{setting.help}.  [env var: {setting.env}; default: {setting.default}]"
