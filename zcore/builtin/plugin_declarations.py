"""What plugins declare: names, help and settings, for `zops plugins check`."""

from __future__ import annotations

import re
from collections import Counter
from types import ModuleType
from typing import TYPE_CHECKING

from zcore.builtin import COMMANDS
from zcore.builtin.checks import CHECKS
from zcore.plugin_settings import READERS
from zcore.settings_table import SETTINGS
from zcore.text import one_line
from zcore.values import (
    AuthBackend,
    BrokerKind,
    Check,
    Command,
    FileStoreKind,
    Finding,
    Rewrite,
    Setting,
    Stage,
    Validator,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore.plugins import Plugins

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")

# the words for what has a name, the name's field and form, and what that form is called
NAMED: dict[type, tuple[str, str, re.Pattern[str], str]] = {
    Command: ("command", "name", KEBAB, "kebab case"),
    Validator: ("validator", "name", KEBAB, "kebab case"),
    Stage: ("stage", "name", KEBAB, "kebab case"),
    Check: ("check", "name", KEBAB, "kebab case"),
    Setting: ("setting", "name", SNAKE, "snake case"),
    FileStoreKind: ("file store", "scheme", SCHEME, "the form of a URL's scheme"),
    BrokerKind: ("broker", "scheme", SCHEME, "the form of a URL's scheme"),
    Worker: ("worker", "queue", re.compile(r"\S+"), "one word"),
    AuthBackend: ("login", "name", re.compile(r"\S(.{0,78}\S)?"), "80 characters"),
}

# one name in one hook can only be had once; settings are below the name of their plugin
CORE = {
    "zops_commands": [command.name for command in COMMANDS],
    "zops_checks": [check.name for check in CHECKS],
}


def label(value: object) -> str:
    """What a value is and is called, for messages."""
    if isinstance(value, Rewrite):
        return f"rewrite of {value.table}{f'.{value.column}' if value.column else ''}"
    if type(value) in NAMED:
        word, field, _, _ = NAMED[type(value)]
        return f"{word} {getattr(value, field)!r}"
    return one_line(value)


def declaration_findings(value: object, where: str) -> Iterator[Finding]:
    """What is wrong with one value by itself."""
    if isinstance(value, ModuleType):
        yield from _specification_findings(value, where)
        return
    if type(value) in NAMED:
        yield from _name_form(value, where)
    if getattr(value, "help", "some") == "":
        hint = "say in one line what it is for (help=...)"
        yield Finding("no-help", f"the {label(value)} has no help", where, hint)
    if isinstance(value, Setting):
        yield from _setting_findings(value, where)
    if isinstance(value, Rewrite):
        yield from _rewrite_findings(value, where)


def name_findings(
    plugin: str, hook: str, values: Sequence[object], plugins: Plugins
) -> Iterator[Finding]:
    """Names that are had twice, by this plugin, by others or by zops itself; or by nobody."""
    where = f"{plugin}: {hook}"
    others = {
        key: f"plugin {other!r}"
        for other, value in plugins.available(hook, object)
        if other != plugin and (key := _key(value)) is not None
    }
    taken = {("", name): "zops itself" for name in CORE.get(hook, ())} | others
    own = Counter(key for value in values if (key := _key(value)) is not None)
    for value in values:
        key = _key(value)
        if key is not None and key in taken:
            message = f"{taken[key]} also has a {label(value)}"
            hint = "let the name begin with the plugin's"
            yield Finding("name-taken", message, where, hint)
        elif key is not None and own[key] > 1:
            own[key] = 0  # said once
            yield Finding("name-twice", f"there are two of the {label(value)}", where)
    yield from _missing_stages(values, {*own, *taken}, where)


def _key(value: object) -> tuple[str, str] | None:
    """What has to be different for any two values of a hook; None when nothing has to be."""
    if isinstance(value, Validator):
        return value.subject, value.name
    if isinstance(value, Setting) or type(value) not in NAMED:
        return None
    if isinstance(value, Stage) and value.replaces == value.name:
        return None
    _, field, _, _ = NAMED[type(value)]
    return "", str(getattr(value, field))


def _missing_stages(
    values: Sequence[object], known: set[tuple[str, str]], where: str
) -> Iterator[Finding]:
    for stage in values:
        if isinstance(stage, Stage):
            wanted = {*stage.needs, *([stage.replaces] if stage.replaces is not None else [])}
            for name in sorted(wanted):
                if ("", name) not in known:
                    message = f"the {label(stage)} needs a stage {name!r}, which is not there"
                    yield Finding("unknown-stage", message, where)


def _name_form(value: object, where: str) -> Iterator[Finding]:
    word, field, form, called = NAMED[type(value)]
    name = getattr(value, field)
    if not isinstance(name, str) or not form.fullmatch(name):
        yield Finding("bad-name", f"the name of the {word} {name!r} is not in {called}", where)


def _setting_findings(setting: Setting[object], where: str) -> Iterator[Finding]:
    if setting.kind not in READERS:
        known = ", ".join(kind.__name__ for kind in READERS)
        message = f"the {label(setting)} is of a kind that zops cannot read"
        yield Finding("unknown-kind", message, where, f"it reads {known}")
    elif setting.default is not None and not isinstance(setting.default, setting.kind):
        kind = type(setting.default).__name__
        message = f"the default of the {label(setting)} is a {kind}, not a {setting.kind.__name__}"
        yield Finding("wrong-default", message, where)
    if setting.env and setting.env in {one.env for one in SETTINGS}:
        message = f"the variable {setting.env} of the {label(setting)} is one of zops itself"
        yield Finding("name-taken", message, where, "leave env out, or choose another name")


def _rewrite_findings(rewrite: Rewrite, where: str) -> Iterator[Finding]:
    from zcore.schema import tables

    if rewrite.table not in tables:
        yield Finding("unknown-table", f"there is no table {rewrite.table!r}", where)
    elif rewrite.column is not None and rewrite.column not in tables[rewrite.table].columns:
        message = f"{rewrite.table} has no column {rewrite.column!r}"
        yield Finding("unknown-column", message, where)


def _specification_findings(module: ModuleType, where: str) -> Iterator[Finding]:
    """The hooks that a plugin defines for others."""
    specified = {
        name: function for name, function in vars(module).items() if hasattr(function, "zops_spec")
    }
    if not specified:
        message = f"the module {module.__name__} specifies no hook"
        yield Finding("no-hooks", message, where, "mark the hooks with @zcore.hookspec")
    for name, function in specified.items():
        if not name.startswith("zops_"):
            yield Finding("bad-name", f"the hook {name!r} does not begin with zops_", where)
        if not function.__doc__:
            hint = "say when it is called, with what, and what the result does"
            yield Finding("no-help", f"the hook {name!r} has no docstring", where, hint)
