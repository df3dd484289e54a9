"""`zops plugins list`, `show` and `check`."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING

import click

from zcore.console import table
from zcore.context import current
from zcore.errors import UsageError
from zcore.text import one_line
from zcore.values import Finding, Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zcore.plugins import PluginInfo


@click.group()
def plugins() -> None:
    """See which plugins are installed, what they provide, and what is wrong with them."""


@plugins.command("list")
def list_plugins() -> Result:
    """List the installed plugins, also those that are switched off or broken."""
    infos = current().plugins.infos
    rows = [(info.name, info.version, info.distribution, info.status, info.error) for info in infos]
    return Result(
        {"plugins": [_described(info) for info in infos]},
        text=table(("PLUGIN", "VERSION", "FROM", "STATUS", ""), rows),
    )


@plugins.command()
@click.argument("name")
def show(name: str) -> Result:
    """Show everything that the plugin NAME provides; of a broken one, where it failed."""
    info = _installed(name)
    provided = current().plugins.provided(name)
    provides = {hook: [_value(value) for value in values] for hook, values in provided.items()}
    data = {**_described(info), "provides": provides, "traceback": info.traceback}
    return Result(data, text=_shown(info, provides))


@plugins.command()
@click.argument("name", required=False)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    metavar="SECONDS",
    help="How long one plugin may take.",
)
def check(name: str | None, timeout: float) -> Result:
    """Import everything that the plugin NAME, or each plugin, stands for.

    Each is looked at in a process of its own, so one that hangs or crashes is found too. When
    one already hangs as zops starts: zops --disable-plugin '*' plugins check NAME.
    """
    from zcore.builtin.plugin_check import check_plugin

    infos = current().plugins.infos
    disabled = [info.name for info in infos if info.status == "disabled"]
    if name is not None:
        wanted = [_installed(name).name]
    else:
        wanted = [info.name for info in infos if info.status != "disabled"]
    findings: list[Finding] = []
    for one in wanted:
        current().stop.check()
        findings += check_plugin(one, timeout, disabled=[off for off in disabled if off != one])
    text = "" if findings else f"nothing wrong: {', '.join(wanted) or 'no plugin to check'}"
    return Result({"checked": wanted}, text=text, findings=findings)


def _installed(name: str) -> PluginInfo:
    infos = {info.name: info for info in current().plugins.infos}
    try:
        return infos[name]
    except KeyError:
        raise UsageError(
            f"there is no plugin {name!r}", hint=f"there are {', '.join(infos) or 'none'}"
        ) from None


def _described(info: PluginInfo) -> dict[str, object]:
    """The keys that programs may rely on."""
    return {
        "name": info.name,
        "version": info.version,
        "distribution": info.distribution,
        "origin": info.origin,
        "status": info.status,
        "error": info.error,
        "hooks": info.hooks,
        "commands": info.commands,
        "api": info.api,
        "deprecations": info.deprecations,
        "seconds": round(info.seconds, 6),
    }


def _value(value: object) -> Mapping[str, object]:
    """What a hook gave, for JSON: the fields of our value types, else its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return {"value": one_line(value)}


def _shown(info: PluginInfo, provides: Mapping[str, Sequence[Mapping[str, object]]]) -> str:
    lines = [
        f"{info.name}, {info.status}: {info.distribution} {info.version}",
        f"from {info.origin}",
    ]
    if info.error:
        lines.append(f"problem: {one_line(info.error)}")
    for hook in info.hooks:
        lines += ["", hook, *(f"  {_line(value)}" for value in provides.get(hook, ()))]
    if info.traceback:
        lines += ["", info.traceback.rstrip()]
    return "\n".join(lines)


def _line(value: Mapping[str, object]) -> str:
    """A value on one line: its first field, which names it, and what it stands for."""
    name = str(next(iter(value.values()), ""))
    target = str(value.get("target", ""))
    return f"{name}  {target}".rstrip()
