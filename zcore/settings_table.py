"""Every setting of zops, once: from this table values are read, shown and documented."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from zcore.frozen import frozen

DEPLOYMENTS = Path("/home/zulip/deployments")  # where a server's installer puts them

# (value as given, folder that a path in it is relative to) -> value
Reader = Callable[[object, Path], object]


def text(value: object, base: Path) -> str:
    """Any text but the empty one."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be text")
    return value


def folder(value: object, base: Path) -> Path:
    """A path, absolute; `~` is the user's home."""
    return base / os.path.expanduser(text(value, base))


def store(value: object, base: Path) -> str:
    """A folder, or the name or URL of a file store."""
    given = text(value, base)
    return given if given == "s3" or "://" in given else str(folder(given, base))


def names(value: object, base: Path) -> tuple[str, ...]:
    """A list of names, or text with commas between them."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names")
    return tuple(name.strip() for name in value if name.strip())


def positive_number(value: object, base: Path) -> float:
    """A number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError("must be a number above 0")
    return float(value)


def positive_integer(value: object, base: Path) -> int:
    """A whole number above zero."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("must be a whole number above 0")
    return value


def addressing_style(value: object, base: Path) -> str:
    """Where the bucket stands in an object store's addresses."""
    given = text(value, base)
    if given not in ("auto", "path", "virtual"):
        raise ValueError("must be auto, path or virtual")
    return given


def ports(value: object, base: Path) -> tuple[int, ...]:
    """A list of TCP ports."""
    if not isinstance(value, list | tuple) or not all(type(port) is int for port in value):
        raise ValueError("must be a list of ports")
    return tuple(value)


def switch(value: object, base: Path) -> bool:
    """On or off."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


@frozen
class Setting:
    """One setting: the places that it can come from, and how to read it.

    `toml` is its place in `zops.toml`, with dots; `secret` values are never shown. `default` is
    for people: what applies when nothing gives the setting.
    """

    name: str
    help: str
    toml: str = ""
    env: str = ""
    flag: str = ""
    secret: bool = False
    read: Reader = text
    default: str = "none"


SETTINGS = (
    Setting(
        "database_url",
        "The organization's database",
        toml="database.url",
        env="ZOPS_DATABASE",
        flag="--database",
        default="the SQLite file zops.db in the data folder",
    ),
    Setting(
        "uploads",
        "Uploaded files: a folder laid out as Zulip's LOCAL_UPLOADS_DIR, or s3",
        toml="files.uploads",
        env="ZOPS_UPLOADS",
        read=store,
        default="the folder uploads in the data folder",
    ),
    Setting(
        "avatar_salt",
        "The salt in the names of avatar files",
        toml="files.avatar_salt",
        env="ZOPS_AVATAR_SALT",
        secret=True,
        default="made once, kept in the data folder",
    ),
    Setting(
        "s3_auth_uploads_bucket",
        "The bucket of files in messages",
        toml="files.s3.auth_uploads_bucket",
    ),
    Setting(
        "s3_avatar_bucket",
        "The bucket of avatars, emoji, icons and logos",
        toml="files.s3.avatar_bucket",
    ),
    Setting(
        "s3_export_bucket",
        "The bucket that exports are uploaded to",
        toml="files.s3.export_bucket",
    ),
    Setting(
        "s3_endpoint_url",
        "The object store's address, when it is not Amazon's",
        toml="files.s3.endpoint_url",
    ),
    Setting("s3_region", "The object store's region", toml="files.s3.region"),
    Setting(
        "s3_addressing_style",
        "Where the bucket's name goes: into the path of an address, or before its host (virtual)",
        toml="files.s3.addressing_style",
        read=addressing_style,
        default="path when endpoint_url is given, otherwise auto",
    ),
    Setting(
        "s3_timeout",
        "Seconds without data after which a connection to the object store is given up",
        toml="files.s3.timeout",
        read=positive_number,
        default="60",
    ),
    Setting(
        "s3_attempts",
        "How often a request to the object store is tried",
        toml="files.s3.attempts",
        read=positive_integer,
        default="5",
    ),
    Setting("s3_access_key", "The object store's key", toml="files.s3.access_key"),
    Setting(
        "s3_secret_key", "The object store's secret key", toml="files.s3.secret_key", secret=True
    ),
    Setting(
        "broker",
        "Where events are queued: amqp://..., or embedded",
        toml="queue.broker",
        env="ZOPS_BROKER",
        default="embedded: a file in the data folder",
    ),
    Setting(
        "external_host",
        "The server's host name, as users know it",
        toml="server.external_host",
        env="ZOPS_EXTERNAL_HOST",
    ),
    Setting(
        "smtp_url",
        "The mail server: smtp://... or smtps://...",
        toml="mail.url",
        env="ZOPS_SMTP_URL",
        default="none: mail is not sent",
    ),
    Setting("mail_from", "The sender of mail", toml="mail.from"),
    Setting("mail_support", "Whom people can write to about mail", toml="mail.support"),
    Setting(
        "mail_password_file",
        "The file with the mail server's password",
        toml="mail.password_file",
        read=folder,
    ),
    Setting("memcached", "The Zulip server's memcached, host:port", toml="server.memcached"),
    Setting(
        "memcached_username",
        "The name to log in to memcached with",
        toml="server.memcached_username",
    ),
    Setting(
        "memcached_password",
        "The password of memcached",
        toml="server.memcached_password",
        secret=True,
    ),
    Setting(
        "tornado_ports",
        "The ports of the Zulip server's Tornado processes",
        toml="server.tornado_ports",
        read=ports,
    ),
    Setting(
        "tornado_sharding",
        "The Zulip server's sharding.json: which Tornado process serves which organization",
        toml="server.tornado_sharding",
        read=folder,
    ),
    Setting(
        "deployments",
        "The folder of the Zulip server's deployments: its migrations, the prefixes of cache keys",
        toml="server.deployments",
        read=folder,
        default=f"{DEPLOYMENTS}",
    ),
    Setting(
        "push_service",
        "Has the Zulip server a mobile push service that it tells of accounts? true or false",
        toml="server.push_service",
        read=switch,
        default="false",
    ),
    Setting(
        "push_directly",
        "Does the Zulip server push to mobile devices with credentials of its own? true or false",
        toml="server.push_directly",
        read=switch,
        default="false",
    ),
    Setting(
        "push_shards",
        "How many queues the Zulip server spreads push notifications over",
        toml="server.push_shards",
        read=positive_integer,
        default="1",
    ),
    Setting("http_proxy", "The proxy for outgoing HTTP requests", toml="server.http_proxy"),
    Setting(
        "secret_key_file",
        "The file with the Zulip server's secret key",
        toml="server.secret_key_file",
        read=folder,
    ),
    Setting("secret_key", "The Zulip server's secret key", secret=True),
    Setting(
        "zulip_conf",
        "The folder of a Zulip server's own configuration",
        toml="zulip.conf",
        env="ZOPS_ZULIP_CONF",
        read=folder,
        default="not read unless named",
    ),
    Setting(
        "home",
        "The data folder",
        env="ZOPS_HOME",
        read=folder,
        default="the platform's folder for user data",
    ),
    Setting(
        "sentry_dsn",
        "Where errors are reported to, with Sentry",
        toml="sentry.dsn",
        env="SENTRY_DSN",
        secret=True,
        default="off",
    ),
    Setting(
        "disabled_plugins",
        "Plugins that are switched off",
        toml="plugins.disabled",
        env="ZOPS_DISABLE_PLUGINS",
        flag="--disable-plugin",
        read=names,
    ),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
