"""The settings that plugins declare: where each comes from, and what applies.

Nearest wins, as for the core's own: environment, configuration file, default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from zcore.errors import Failed, Refused
from zcore.settings import DEFAULT, Row, Settings
from zcore.text import MASK, mask_passwords
from zcore.values import Setting

if TYPE_CHECKING:
    from zcore.plugins import Plugins

T = TypeVar("T")
TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def read(
    setting: Setting[T], plugins: Plugins, settings: Settings, environ: Mapping[str, str]
) -> T:
    """The value of `setting` that applies.

    Raises `Failed` when no active plugin declares it, as when the hook of its plugin raises, and
    `Refused` when what was given is not of its kind.
    """
    for plugin, declared in plugins.available("zops_settings", Setting):
        if declared == setting:
            value, _ = _value(plugin, setting, settings, environ)
            return cast("T", value)
    raise Failed(f"the setting {setting.name!r} is not declared by any plugin that is active")


def rows(plugins: Plugins, settings: Settings, environ: Mapping[str, str]) -> list[Row]:
    """All settings of plugins, for people and programs; secrets and passwords masked."""
    return sorted(
        row(plugin, setting, settings, environ)
        for plugin, setting in plugins.available("zops_settings", Setting)
    )


def row(
    plugin: str, setting: Setting[object], settings: Settings, environ: Mapping[str, str]
) -> Row:
    """One setting, to be shown; masked when it is a secret. Raises `Refused` as `read` does."""
    value, origin = _value(plugin, setting, settings, environ)
    shown = "" if value is None or value == () else mask_passwords(_shown(value))
    return Row(key(plugin, setting), MASK if setting.secret and shown else shown, origin)


def unknown_keys(plugins: Plugins, settings: Settings) -> Iterator[str]:
    """The keys in `[plugins.NAME]` of the configuration file that are no settings."""
    declared = plugins.available("zops_settings", Setting)
    known = {key(plugin, setting) for plugin, setting in declared}
    for plugin, table in settings.plugin_tables.items():
        for name in table:
            if f"plugins.{plugin}.{name}" not in known:
                yield f"plugins.{plugin}.{name}"


def key(plugin: str, setting: Setting[object]) -> str:
    """The place of a setting in `zops.toml`, with dots; also its name in messages."""
    return f"plugins.{plugin}.{setting.name}"


def variable(plugin: str, setting: Setting[object]) -> str:
    """The environment variable of a setting."""
    return setting.env or f"ZOPS_{plugin}_{setting.name}".upper().replace("-", "_")


def _value(
    plugin: str, setting: Setting[T], settings: Settings, environ: Mapping[str, str]
) -> tuple[object, str]:
    """The value that applies, and what gave it."""
    name = variable(plugin, setting)
    given: object
    if environ.get(name):
        given, origin, base = environ[name], f"environment {name}", Path.cwd()
    else:
        table = settings.plugin_table(plugin)
        if setting.name not in table:
            return setting.default, DEFAULT
        given, origin = table[setting.name], f"file {settings.configuration}"
        base = settings.configuration.parent if settings.configuration else Path.cwd()
    try:
        return READERS[setting.kind](given, base), origin
    except KeyError:
        known = ", ".join(kind.__name__ for kind in READERS)
        raise Failed(
            f"the setting {key(plugin, setting)} is of a kind that zops does not know",
            hint=f"it knows {known}",
        ) from None
    except ValueError as error:
        raise Refused(
            f"the setting {key(plugin, setting)} ({origin}) {error}",
            hint=setting.help,
            code="bad-setting",
        ) from None


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _text(given: object, base: Path) -> str:
    if not isinstance(given, str):
        raise ValueError("must be text")
    return given


def _whole_number(given: object, base: Path) -> int:
    number = given
    if isinstance(given, str):
        try:
            number = int(given)
        except ValueError:
            number = None
    if type(number) is not int:
        raise ValueError("must be a whole number")
    return number


def _number(given: object, base: Path) -> float:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise ValueError("must be a number")
    try:
        return float(given)
    except ValueError:
        raise ValueError("must be a number") from None


def _yes_or_no(given: object, base: Path) -> bool:
    if isinstance(given, bool):
        return given
    word = given.lower() if isinstance(given, str) else ""
    if word not in TRUE | FALSE:
        raise ValueError("must be true or false")
    return word in TRUE


def _path(given: object, base: Path) -> Path:
    if not isinstance(given, str) or not given:
        raise ValueError("must be a path")
    return base / os.path.expanduser(given)


def _names(given: object, base: Path) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a list of text")
    return tuple(part.strip() for part in parts if part.strip())


READERS: dict[type, Callable[[object, Path], object]] = {
    str: _text,
    int: _whole_number,
    float: _number,
    bool: _yes_or_no,
    Path: _path,
    tuple: _names,
}
