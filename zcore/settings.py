"""The settings of one run: where each comes from, and what applies.

Nearest wins: flag, environment, configuration file, the Zulip server's own configuration (when
it is named), default. Loading reads at most those files, and creates nothing.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from zcore.errors import Refused
from zcore.frozen import frozen
from zcore.settings_file import ConfigurationFile, read_configuration
from zcore.settings_places import data_folder
from zcore.settings_table import BY_NAME, DEPLOYMENTS, SETTINGS, Setting
from zcore.text import MASK, has_password, mask_passwords

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from zcore.settings_zulip import ZulipServer

DEFAULT = "default"


class Flags(TypedDict, total=False):
    """What the flags before the command say."""

    database_url: str
    disabled_plugins: tuple[str, ...]
    config: str


class Given(NamedTuple):
    """A value as it was given, by what, and the folder that a path in it is relative to."""

    value: object
    origin: str
    base: Path


class Row(NamedTuple):
    """One line of `zops settings`; secrets are masked."""

    name: str
    value: str
    origin: str


@frozen
class Settings:
    """Everything that can be configured. None: not given, and there is no default.

    `configuration` is the file that was read; `problems` are to be warned of; `unread` is what
    the Zulip server's settings say in a way that only running them would tell, and `untold` the
    settings of ours that follow from it and were given by nothing else.
    """

    home: Path
    database_url: str = field(repr=False)
    uploads: str = field(repr=False)
    avatar_salt: str | None = field(repr=False)
    s3_auth_uploads_bucket: str | None
    s3_avatar_bucket: str | None
    s3_export_bucket: str | None
    s3_endpoint_url: str | None = field(repr=False)
    s3_region: str | None
    s3_addressing_style: str | None
    s3_timeout: float | None
    s3_attempts: int | None
    s3_access_key: str | None = field(repr=False)
    s3_secret_key: str | None = field(repr=False)
    broker: str = field(repr=False)
    external_host: str | None
    smtp_url: str | None = field(repr=False)
    mail_from: str | None
    mail_support: str | None
    mail_password_file: Path | None
    memcached: str | None
    memcached_username: str | None
    memcached_password: str | None = field(repr=False)
    tornado_ports: tuple[int, ...]
    tornado_sharding: Path | None
    deployments: Path
    push_service: bool
    push_directly: bool
    push_shards: int
    http_proxy: str | None = field(repr=False)
    secret_key_file: Path | None
    secret_key: str | None = field(repr=False)
    zulip_conf: Path | None
    sentry_dsn: str | None = field(repr=False)
    disabled_plugins: tuple[str, ...]
    configuration: Path | None = None
    plugin_tables: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    untold: frozenset[str] = frozenset()

    @classmethod
    def load(
        cls, flags: Flags, environ: Mapping[str, str], cwd: Path, *, broken: str = ""
    ) -> Settings:
        """The settings that apply with these flags, in this environment and folder.

        Raises `Refused` with one line when a file or a value is wrong. With what it said as
        `broken`, no file is read, so that help and `zops doctor` are still to be had.
        """
        file = ConfigurationFile(problems=(broken,))
        if not broken:
            file = read_configuration(flags.get("config"), environ, cwd)
        given = _from_file(file) | _from_environment(environ, cwd) | _from_flags(flags, cwd)
        problems = [*file.problems, *_password_on_the_command_line(flags)]
        unread: list[str] = []
        untold: set[str] = set()
        if "zulip_conf" in given and not broken:
            server = _read_zulip_server(given)
            unread += server.unread
            untold |= server.unknown.keys() - given.keys()
            problems += _missed(server, untold)
            given = {name: Given(*value) for name, value in server.values.items()} | given
        return cls(
            **_values(given, environ),
            configuration=file.path,
            plugin_tables=file.plugins,
            origins={name: value.origin for name, value in given.items()},
            problems=tuple(problems),
            unread=tuple(unread),
            untold=frozenset(untold),
        )

    def origin(self, name: str) -> str:
        """What gave the setting `name`, in words ("environment ZOPS_DATABASE", "default").

        "database" is short for "database_url".
        """
        setting = BY_NAME.get(name) or BY_NAME[f"{name}_url"]
        return self.origins.get(setting.name, DEFAULT)

    def is_default(self, name: str) -> bool:
        """Did nothing give the setting `name`?"""
        return self.origin(name) == DEFAULT

    def require_no_server(self, what: str) -> None:
        """Refuse to work on a default where a Zulip server's configuration should have said more.

        Raises `Refused` when that configuration was named, and did not say where `what` is.
        """
        if self.zulip_conf is not None:
            raise Refused(
                f"the Zulip server's configuration in {self.zulip_conf} does not say where"
                f" {what} is, and nothing nearer does",
                hint="'zops settings' shows what was read; name it in the environment or zops.toml",
                code="server-unknown",
            )

    def plugin_table(self, plugin: str) -> Mapping[str, object]:
        """The table `[plugins.NAME]` of the configuration file: a plugin's own settings."""
        return self.plugin_tables.get(plugin, {})

    def rows(self) -> list[Row]:
        """All settings for people and programs, secrets and passwords masked."""
        return [
            Row(name, _shown(setting, getattr(self, name)), self.origin(name))
            for name, setting in BY_NAME.items()
        ]

    def mail_password(self) -> str | None:
        """The mail server's password, from its file. Raises `Refused` when that is not readable."""
        return _read_secret(self.mail_password_file)

    def server_secret_key(self) -> str | None:
        """The Zulip server's secret key. Raises `Refused` when its file is not readable."""
        return _read_secret(self.secret_key_file) or self.secret_key


def _from_flags(flags: Flags, cwd: Path) -> dict[str, Given]:
    named = {setting.name: setting.flag for setting in SETTINGS if setting.flag}
    return {
        name: Given(flags[name], f"flag {flag}", cwd)  # type: ignore[literal-required] # from the table
        for name, flag in named.items()
        if flags.get(name)
    }


def _from_environment(environ: Mapping[str, str], cwd: Path) -> dict[str, Given]:
    return {
        setting.name: Given(environ[setting.env], f"environment {setting.env}", cwd)
        for setting in SETTINGS
        if setting.env and environ.get(setting.env)
    }


def _from_file(file: ConfigurationFile) -> dict[str, Given]:
    if file.path is None:
        return {}
    return {
        setting.name: Given(file.values[setting.toml], f"file {file.path}", file.path.parent)
        for setting in SETTINGS
        if setting.toml in file.values
    }


def _read_zulip_server(nearer: Mapping[str, Given]) -> ZulipServer:
    from zcore.settings_zulip import read_zulip_server

    return read_zulip_server(Path(str(_value(BY_NAME["zulip_conf"], nearer["zulip_conf"]))))


def _missed(server: ZulipServer, untold: Set[str]) -> list[str]:
    """Warnings: with these unknown, zops would work on its own default, not on the server."""
    return [
        f"the Zulip server's configuration does not tell {name} ({server.unknown[name]}): "
        f"give it with {BY_NAME[name].env}"
        for name in ("database_url", "uploads", "broker")
        if name in untold
    ]


def _values(given: Mapping[str, Given], environ: Mapping[str, str]) -> dict[str, Any]:
    """Every setting's value; the reader of each setting vouches for its type."""
    values: dict[str, Any] = dict.fromkeys(BY_NAME)
    values |= {name: _value(BY_NAME[name], value) for name, value in given.items()}
    home = values["home"] = values["home"] or data_folder(environ)
    values["database_url"] = values["database_url"] or f"sqlite:///{home / 'zops.db'}"
    values["uploads"] = values["uploads"] or str(home / "uploads")
    values["broker"] = values["broker"] or "embedded"
    values["deployments"] = values["deployments"] or DEPLOYMENTS
    values["tornado_ports"] = values["tornado_ports"] or ()
    values["push_service"] = values["push_service"] or False
    values["push_directly"] = values["push_directly"] or False
    values["push_shards"] = values["push_shards"] or 1
    values["disabled_plugins"] = values["disabled_plugins"] or ()
    return values


def _value(setting: Setting, given: Given) -> object:
    try:
        return setting.read(given.value, given.base)
    except ValueError as error:
        raise Refused(
            f"the setting {setting.toml or setting.name} ({given.origin}) {error}",
            hint=setting.help,
            code="bad-setting",
        ) from error


def _password_on_the_command_line(flags: Flags) -> tuple[str, ...]:
    if not has_password(flags.get("database_url", "")):
        return ()
    return (
        "the password in --database can be seen by every user of this machine: "
        "put the URL into ZOPS_DATABASE, or the password into the file that PGPASSFILE names",
    )


def _shown(setting: Setting, value: object) -> str:
    if value is None or value == ():
        return ""
    if setting.secret:
        return MASK
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return mask_passwords(str(value))


def _read_secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        message = f"the secret in {path} cannot be read: {reason}"
        raise Refused(message, code="bad-setting") from error
