"""`zops plugins list`, `show`, `check` and `new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from zcore.builtin import plugin_views as views
from zcore.builtin.plugin_trace import TracingCommand, trace_command
from zcore.commands import kebab
from zcore.context import current
from zcore.errors import UsageError
from zcore.options import PluginName
from zcore.values import Finding, Result

if TYPE_CHECKING:
    from zcore.plugins import PluginInfo


@click.group()
def plugins() -> None:
    """See which plugins are installed and what is wrong with them; begin one of your own."""


@plugins.command("list")
@click.option("--wide", is_flag=True, help="Also the names of the hooks, and where each lies.")
def list_plugins(wide: bool) -> Result:
    """List the installed plugins, also those that are switched off or broken.

    MS is how long its import and its hooks took, in milliseconds.

    \b
    Examples:
      zops plugins list
      zops plugins list --wide
    """
    context = current()
    infos = context.plugins.infos
    return Result(
        {"plugins": [views.described(info) for info in infos]},
        text=views.listed(infos, wide=wide or context.console.verbosity > 0),
    )


@plugins.command(cls=TracingCommand)
@click.argument("name", type=PluginName())
@click.option(
    "--trace",
    metavar="COMMAND...",
    help="Run this command instead, and say what of the plugin ran in it, when and with what "
    "result. Everything after --trace is the command.",
)
def show(name: str, trace: tuple[str, ...] | None) -> Result:
    """Show everything that the plugin NAME provides; of a broken one, where it failed.

    \b
    Examples:
      zops plugins show realm
      zops plugins show realm --trace create-realm Acme --no-password --dry-run
    """
    context = current()
    info = _installed(name)
    if trace is not None:
        return cast("Result", trace_command(info.name, trace))  # the program checks what it is
    provides = views.provided(info.name, context)
    return Result(
        {**views.described(info), "provides": provides, "traceback": info.traceback},
        text=views.shown(info, provides, context.plugins.specifications),
    )


@plugins.command()
@click.argument("name", type=PluginName(), required=False)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    metavar="SECONDS",
    help="How long one plugin may take.",
)
def check(name: str | None, timeout: float) -> Result:
    """Load everything that the plugin NAME, or each plugin, declares, and look for mistakes.

    Each is looked at in a process of its own, so one that hangs or crashes is found too. When
    one already hangs as zops starts: zops --disable-plugin '*' plugins check NAME.

    \b
    Examples:
      zops plugins check
      zops plugins check acme --timeout 5
    """
    from zcore.builtin.plugin_check import check_plugin

    context = current()
    infos = context.plugins.infos
    disabled = [info.name for info in infos if info.status == "disabled"]
    if name is not None:
        wanted = [_installed(name).name]
    else:
        named = (info.name for info in infos if info.status != "disabled")
        wanted = list(dict.fromkeys(named))  # one that is installed twice is looked at once
    findings: list[Finding] = []
    seconds: dict[str, float] = {}
    for one in wanted:
        context.stop.check()
        checked = check_plugin(one, timeout, disabled=[off for off in disabled if off != one])
        findings += checked.findings
        seconds[one] = checked.seconds
        for note in checked.notes:
            context.console.note(f"{one}: {note}")
    text = "" if findings else f"nothing wrong: {', '.join(wanted) or 'no plugin to check'}"
    return Result({"checked": wanted, "seconds": seconds}, text=text, findings=findings)


@plugins.command()
@click.argument("name")
@click.option(
    "--path",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    show_default="./zops-NAME",
    help="The folder to make.",
)
def new(name: str, path: Path | None) -> Result:
    """Write the package of a new plugin NAME: to be installed, tested and changed.

    It has a command, a validator, a stage for exports and a setting, each with a test.

    \b
    Examples:
      zops plugins new acme
      zops plugins new acme --path ~/src/zops-acme
    """
    from zcore.builtin.plugin_scaffold import write_package

    return write_package(name, path, current().plugins)


def _installed(name: str) -> PluginInfo:
    """The plugin of this name; that of its distribution will do, when it has no other."""
    infos = {info.name: info for info in current().plugins.infos}
    found = infos.get(name) or infos.get(kebab(name))
    if found is not None:
        return found
    same = [info for info in infos.values() if info.distribution in {name, kebab(name)}]
    if len(same) == 1:
        return same[0]
    known = ", ".join(infos) or "none"
    raise UsageError(f"there is no plugin {name!r}", hint=f"there are {known}")
