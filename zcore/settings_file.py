"""The configuration file `zops.toml`: which one applies, and what it says."""

from __future__ import annotations

import os
import stat
from dataclasses import field
from typing import IO, TYPE_CHECKING, Any

from zcore.errors import Refused
from zcore.frozen import frozen
from zcore.settings_places import SYSTEM_FILE, user_file
from zcore.settings_table import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@frozen
class ConfigurationFile:
    """What was read.

    `values` has one entry a key, with dots for tables (`database.url`); `plugins` the tables
    `[plugins.NAME]`, which belong to the plugins; `problems` what to warn of.
    """

    path: Path | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    plugins: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_configuration(
    named: str | None, environ: Mapping[str, str], cwd: Path
) -> ConfigurationFile:
    """The file that applies: `named` (`--config`), or the first that is found.

    Raises `Refused` with one line when a named file is not there, or a file cannot be read or is
    not TOML.
    """
    named = named or environ.get("ZOPS_CONFIG") or None
    if named is not None:
        path = cwd / os.path.expanduser(named)
        return _read(path, owner_matters=False, ignore_unsafe=False)
    for path in (cwd / "zops.toml", user_file(environ), SYSTEM_FILE):
        if os.path.lexists(path):
            return _read(path, owner_matters=True, ignore_unsafe=True)
    return ConfigurationFile()


def why_unsafe(file: IO[bytes], *, owner_matters: bool) -> str:
    """Why other users could have written this open file; "" when they could not."""
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
        return "every user can write it"
    if owner_matters and status.st_uid not in {0, os.geteuid()}:
        return "it belongs to another user"
    return ""


def _read(path: Path, *, owner_matters: bool, ignore_unsafe: bool) -> ConfigurationFile:
    try:
        with open(path, "rb") as file:
            unsafe = why_unsafe(file, owner_matters=owner_matters)
            if not unsafe:
                return _parse(path, file.read())
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    if not ignore_unsafe:
        raise _refused(path, f"is not used: {unsafe}")
    return ConfigurationFile(problems=(f"{path} is ignored: {unsafe}",))


def _refused(path: Path, what: str) -> Refused:
    return Refused(
        f"the configuration file {path} {what}",
        hint="mend it, or name another one with --config or ZOPS_CONFIG",
        code="bad-configuration",
    )


def _parse(path: Path, content: bytes) -> ConfigurationFile:
    import tomllib

    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refused(path, f"is not valid TOML: {error}") from error
    plugins = _take_plugin_tables(document)
    values = dict(_flatten(document, ""))
    known = {setting.toml for setting in SETTINGS if setting.toml}
    unknown = [key for key in values if key not in known]
    problems = tuple(f"{path}: the unknown key {key!r} is ignored" for key in unknown)
    return ConfigurationFile(path, values, plugins, problems)


def _take_plugin_tables(document: dict[str, Any]) -> dict[str, dict[str, object]]:
    section = document.get("plugins")
    if not isinstance(section, dict):
        return {}
    tables = {name: value for name, value in section.items() if isinstance(value, dict)}
    document["plugins"] = {name: value for name, value in section.items() if name not in tables}
    return tables


def _flatten(document: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
