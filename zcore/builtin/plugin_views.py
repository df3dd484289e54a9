"""What `zops plugins list` and `show` tell of plugins, for people and for programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import isfinite
from types import ModuleType
from typing import TYPE_CHECKING

from zcore.console import table
from zcore.errors import ZopsError
from zcore.text import mask_passwords, one_line
from zcore.values import Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.context import Context
    from zcore.plugins import PluginInfo

Specifications = Mapping[str, "Callable[..., object]"]
Shown = Mapping[str, object]  # one value, by the names of what it holds; fit for JSON


def described(info: PluginInfo) -> dict[str, object]:
    """The keys that programs may rely on. `seconds` is what import and hooks took."""
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


def listed(infos: Sequence[PluginInfo], *, wide: bool) -> str:
    """All plugins as a table; `wide` with the names of their hooks and where they lie."""
    columns = ["PLUGIN", "VERSION", "FROM", "STATUS", "HOOKS", "COMMANDS", "MS", "PROBLEM"]
    if wide:
        columns.append("ORIGIN")
    return table(columns, [_listed(info, wide=wide) for info in infos])


def _listed(info: PluginInfo, *, wide: bool) -> list[object]:
    hooks = ", ".join(info.hooks) if wide else len(info.hooks) or ""
    problem = "; ".join(filter(None, (info.error, *info.deprecations)))
    row: list[object] = [
        info.name,
        info.version,
        info.distribution,
        info.status,
        hooks,
        ", ".join(info.commands),
        f"{info.seconds * 1000:.1f}" if info.seconds else "",
        problem,
    ]
    return [*row, info.origin] if wide else row


def provided(name: str, context: Context) -> dict[str, list[Shown]]:
    """Everything that the plugin `name` gives, by hook; settings with what applies."""
    specifications = context.plugins.specifications
    return {
        hook: [
            shown
            for value in values
            for shown in _shown(name, value, specifications=specifications, context=context)
        ]
        for hook, values in context.plugins.provided(name).items()
    }


def shown(info: PluginInfo, provides: Mapping[str, Sequence[Shown]], hooks: Specifications) -> str:
    """One plugin, as text."""
    api = f", plugin API {info.api}" if info.api is not None else ""
    lines = [
        f"{info.name}, {info.status}: {' '.join(filter(None, (info.distribution, info.version)))}",
        f"from {info.origin}",
        f"import and hooks took {info.seconds * 1000:.1f} ms{api}",
    ]
    lines += [f"problem: {one_line(text)}" for text in (info.error, *info.deprecations) if text]
    for hook in info.hooks:
        lines += ["", _heading(hook, hooks), *_indented(_table(provides.get(hook, ())))]
    if info.traceback:
        lines += ["", info.traceback.rstrip()]
    return "\n".join(lines)


def _shown(
    name: str, value: object, *, specifications: Specifications, context: Context
) -> list[Shown]:
    """What is to be seen of one value."""
    if isinstance(value, Setting):
        return [_setting(name, value, context)]
    if isinstance(value, ModuleType):
        return _hooks_of(value, specifications)
    if is_dataclass(value):
        return [{one.name: plain(getattr(value, one.name)) for one in fields(value)}]
    return [{"value": plain(value)}]


def _setting(name: str, setting: Setting[object], context: Context) -> Shown:
    from zcore.plugin_settings import row, variable

    try:
        _, value, origin = row(name, setting, context.settings, os.environ)
        problem = ""
    except ZopsError as error:
        value, origin, problem = "", "", error.message
    kind = getattr(setting.kind, "__name__", str(setting.kind))
    return {
        "name": setting.name,
        "help": setting.help,
        "kind": kind,
        "value": value,
        "origin": origin,
        "variable": variable(name, setting),
        "secret": setting.secret,
        "problem": problem,
    }


def _hooks_of(module: ModuleType, specifications: Specifications) -> list[Shown]:
    """The hooks that a module specifies."""
    return [
        {"name": name, "help": _first_line(function)}
        for name, function in specifications.items()
        if getattr(module, name, None) is function
    ]


def plain(value: object) -> object:
    """A value as JSON has it: what JSON has no word for as its text."""
    if value is None or isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, str):
        return mask_passwords(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [plain(one) for one in value]
    return one_line(value)


def _heading(hook: str, specifications: Specifications) -> str:
    function = specifications.get(hook)
    return f"{hook}: {_first_line(function)}" if function is not None else hook


def _first_line(function: Callable[..., object]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]


def _table(values: Sequence[Shown]) -> str:
    """Values as a table of what they hold, without what none of them has."""
    names = dict.fromkeys(name for value in values for name in value)
    columns = [name for name in names if any(_cell(value.get(name)) for value in values)]
    if "target" in columns:
        columns.remove("target")
        columns.append("target")
    if not columns:
        return ""
    rows = [[_cell(value.get(name)) for name in columns] for value in values]
    return table([column.upper() for column in columns], rows)


def _cell(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
