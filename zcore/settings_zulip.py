"""A Zulip server's own configuration, as far as it can be read without running it.

The folder (`/etc/zulip`) holds `zulip.conf` and `zulip-secrets.conf`, which are INI files, and
`settings.py`, which is a Python program. Of the program, only assignments of literals at its top
level are read; what it computes is not known here, and said.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from zcore.errors import Refused
from zcore.settings_file import why_unsafe
from zcore.settings_literals import Literals, read_literals

if TYPE_CHECKING:
    from pathlib import Path

# the settings of a Zulip server that zops has a use for
WANTED = frozenset(
    {
        "ANDROID_FCM_CREDENTIALS_PATH",
        "APNS_CERT_FILE",
        "APNS_TOKEN_KEY_FILE",
        "EMAIL_HOST",
        "EMAIL_HOST_USER",
        "EMAIL_PORT",
        "EMAIL_USE_SSL",
        "EMAIL_USE_TLS",
        "EXTERNAL_HOST",
        "LOCAL_UPLOADS_DIR",
        "MEMCACHED_LOCATION",
        "MEMCACHED_USERNAME",
        "NOREPLY_EMAIL_ADDRESS",
        "PUSH_NOTIFICATION_BOUNCER_URL",
        "RABBITMQ_HOST",
        "RABBITMQ_PORT",
        "RABBITMQ_USERNAME",
        "RABBITMQ_USE_TLS",
        "RABBITMQ_VHOST",
        "REMOTE_POSTGRES_HOST",
        "REMOTE_POSTGRES_PORT",
        "REMOTE_POSTGRES_SSLMODE",
        "S3_AUTH_UPLOADS_BUCKET",
        "S3_AVATAR_BUCKET",
        "S3_ENDPOINT_URL",
        "S3_EXPORT_BUCKET",
        "S3_REGION",
        "ZULIP_ADMINISTRATOR",
        "ZULIP_SERVICE_PUSH_NOTIFICATIONS",
        "S3_ADDRESSING_STYLE",
    }
)
LARGEST_FILE = 1_000_000  # bytes; a real one has some thirty thousand


@dataclass(frozen=True, slots=True)
class ZulipServer:
    """What the files say.

    `values`: setting of zops -> (value, origin, folder that paths are relative to). `unknown`:
    setting of zops -> why the files do not tell. `unread`: everything that could not be read.
    """

    values: Mapping[str, tuple[object, str, Path]]
    unknown: Mapping[str, str]
    unread: tuple[str, ...]


class _Unknown(Exception):
    """A value that only running the server's settings would tell."""


Rule = Callable[["_Files"], object]


@dataclass(frozen=True, slots=True)
class _Files:
    """The three files, read."""

    folder: Path
    conf: RawConfigParser
    secrets: RawConfigParser
    settings: Literals

    def setting(self, name: str, otherwise: str = "") -> str:
        """A setting as text; `otherwise` when it is not assigned. Raises `_Unknown`."""
        value = self.raw_setting(name)
        if value is None:
            return otherwise
        if not isinstance(value, str | int):
            raise _Unknown(f"{name} is neither text nor a number")
        return str(value)

    def raw_setting(self, name: str) -> object:
        """A setting as it is assigned; None when it is not. Raises `_Unknown`."""
        line = self.settings.computed.get(name)
        if line is not None:
            raise _Unknown(f"{name} is computed (line {line})" if line else "not readable")
        return self.settings.values.get(name)

    def secret(self, name: str) -> str:
        return self.secrets.get("secrets", name, fallback="")


def read_zulip_server(folder: Path) -> ZulipServer:
    """Read the configuration in `folder`. Raises `Refused` when it is not there or not readable."""
    _require_folder(folder)
    unread: list[str] = []
    files = _Files(
        folder=folder,
        conf=_ini(folder / "zulip.conf", unread),
        secrets=_ini(folder / "zulip-secrets.conf", unread),
        settings=_program(folder / "settings.py", unread),
    )
    values: dict[str, tuple[object, str, Path]] = {}
    unknown: dict[str, str] = {}
    for name, (source, rule) in _RULES.items():
        try:
            value = rule(files)
        except _Unknown as error:
            unknown[name] = f"{folder / source}: {error}"
            continue
        if value:
            values[name] = (value, f"Zulip server {folder / source}", folder)
    return ZulipServer(values, unknown, tuple(unread))


def _require_folder(folder: Path) -> None:
    hint = "name the folder that holds zulip.conf, or leave the setting zulip.conf out"
    try:
        there = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        there = False
    except OSError as error:
        raise Refused(
            f"the Zulip server's configuration in {folder} cannot be read: {error.strerror}",
            hint=hint,
            code="bad-setting",
        ) from error
    if not there:
        message = f"there is no folder {folder} with a Zulip server's configuration"
        raise Refused(message, hint=hint, code="bad-setting")


def _uploads(files: _Files) -> str:
    folder = files.setting("LOCAL_UPLOADS_DIR")
    return folder or ("s3" if files.setting("S3_AUTH_UPLOADS_BUCKET") else "")


def _database(files: _Files) -> str:
    """The server's own rule: local socket, unless another host or another user is named."""
    user = files.conf.get("postgresql", "database_user", fallback="zulip")
    name = quote(files.conf.get("postgresql", "database_name", fallback="zulip"), safe="")
    password = files.secret("postgres_password")
    host = files.setting("REMOTE_POSTGRES_HOST")
    if host:
        port = files.setting("REMOTE_POSTGRES_PORT")
        mode = files.setting("REMOTE_POSTGRES_SSLMODE") or "verify-full"
        place = f"{_host(host)}:{port}" if port else _host(host)
        return f"postgresql://{_login(user, password)}{place}/{name}?sslmode={quote(mode)}"
    if user != "zulip" and password:
        return f"postgresql://{_login(user, password)}localhost/{name}"
    return f"postgresql://{_login(user, '')}/{name}"


def _broker(files: _Files) -> str:
    scheme = "amqps" if files.raw_setting("RABBITMQ_USE_TLS") is True else "amqp"
    login = _login(files.setting("RABBITMQ_USERNAME", "zulip"), files.secret("rabbitmq_password"))
    host = _host(files.setting("RABBITMQ_HOST", "127.0.0.1"))
    port = files.setting("RABBITMQ_PORT", "5672")
    vhost = quote(files.setting("RABBITMQ_VHOST", "/"), safe="")
    return f"{scheme}://{login}{host}:{port}/{vhost}"


def _mail(files: _Files) -> str:
    host = files.setting("EMAIL_HOST")
    if not host:
        return ""
    scheme = "smtps" if files.raw_setting("EMAIL_USE_SSL") is True else "smtp"
    user = files.setting("EMAIL_HOST_USER")
    login = _login(user, files.secret("email_password")) if user else ""
    port = files.setting("EMAIL_PORT", "25")
    starttls = "?starttls=required" if files.raw_setting("EMAIL_USE_TLS") is True else ""
    return f"{scheme}://{login}{_host(host)}:{port}{starttls}"


def _mail_from(files: _Files) -> str:
    given = files.setting("NOREPLY_EMAIL_ADDRESS")
    host = files.setting("EXTERNAL_HOST").partition(":")[0]
    return given or (f"noreply@{host}" if host else "")


def _memcached_username(files: _Files) -> str:
    if not files.secret("memcached_password"):
        return ""
    return files.setting("MEMCACHED_USERNAME", "zulip@localhost")


def _proxy(files: _Files) -> str:
    host = files.conf.get("http_proxy", "host", fallback="localhost")
    port = files.conf.get("http_proxy", "port", fallback="4750")
    return f"http://{_host(host)}:{port}" if host and port else ""


def _tornado_ports(files: _Files) -> tuple[int, ...]:
    """The keys of `[tornado_sharding]` are ports: `9800`, `9801_9802`, `9803_regex`."""
    if not files.conf.has_section("tornado_sharding"):
        return (9800,)
    keys = (key.removesuffix("_regex") for key in files.conf.options("tornado_sharding"))
    numbers = {port for key in keys for port in key.split("_") if port.isdigit()}
    return tuple(sorted(map(int, numbers))) or (9800,)


def _tornado_sharding(files: _Files) -> str:
    """The file that the server makes of `[tornado_sharding]`; none where one process serves all."""
    file = files.folder / "sharding.json"
    return str(file) if os.path.isfile(file) else ""


def _push_service(files: _Files) -> bool:
    """A switch; before version 9 the address of the service was one, and still is."""
    switch = files.raw_setting("ZULIP_SERVICE_PUSH_NOTIFICATIONS")
    if switch is None:
        return bool(files.setting("PUSH_NOTIFICATION_BOUNCER_URL"))
    return switch is True


def _push_directly(files: _Files) -> bool:
    """Credentials for Apple's or Google's service, which few servers have."""
    names = ("ANDROID_FCM_CREDENTIALS_PATH", "APNS_CERT_FILE", "APNS_TOKEN_KEY_FILE")
    return any(files.raw_setting(name) for name in names)


def _push_shards(files: _Files) -> int:
    given = files.conf.get("application_server", "mobile_notification_shards", fallback="")
    return int(given) if given.isdecimal() else 0


def _assigned(name: str, otherwise: str = "") -> Rule:
    return lambda files: files.setting(name, otherwise)


def _secret(name: str) -> Rule:
    return lambda files: files.secret(name)


# setting of zops -> the file to look into when it is wrong, and how it follows from the files
_RULES: Mapping[str, tuple[str, Rule]] = {
    "database_url": ("settings.py", _database),
    "external_host": ("settings.py", _assigned("EXTERNAL_HOST")),
    "uploads": ("settings.py", _uploads),
    "s3_auth_uploads_bucket": ("settings.py", _assigned("S3_AUTH_UPLOADS_BUCKET")),
    "s3_avatar_bucket": ("settings.py", _assigned("S3_AVATAR_BUCKET")),
    "s3_export_bucket": ("settings.py", _assigned("S3_EXPORT_BUCKET")),
    "s3_endpoint_url": ("settings.py", _assigned("S3_ENDPOINT_URL")),
    "s3_region": ("settings.py", _assigned("S3_REGION")),
    "s3_addressing_style": ("settings.py", _assigned("S3_ADDRESSING_STYLE")),
    "broker": ("settings.py", _broker),
    "smtp_url": ("settings.py", _mail),
    "mail_from": ("settings.py", _mail_from),
    "mail_support": ("settings.py", _assigned("ZULIP_ADMINISTRATOR")),
    "memcached": ("settings.py", _assigned("MEMCACHED_LOCATION", "127.0.0.1:11211")),
    "memcached_username": ("settings.py", _memcached_username),
    "push_service": ("settings.py", _push_service),
    "push_directly": ("settings.py", _push_directly),
    "push_shards": ("zulip.conf", _push_shards),
    "http_proxy": ("zulip.conf", _proxy),
    "tornado_ports": ("zulip.conf", _tornado_ports),
    "tornado_sharding": ("sharding.json", _tornado_sharding),
    "avatar_salt": ("zulip-secrets.conf", _secret("avatar_salt")),
    "secret_key": ("zulip-secrets.conf", _secret("secret_key")),
    "s3_access_key": ("zulip-secrets.conf", _secret("s3_key")),
    "s3_secret_key": ("zulip-secrets.conf", _secret("s3_secret_key")),
    "memcached_password": ("zulip-secrets.conf", _secret("memcached_password")),
}


def _login(user: str, password: str) -> str:
    secret = f":{quote(password, safe='')}" if password else ""
    return f"{quote(user, safe='')}{secret}@"


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _read(path: Path, unread: list[str]) -> str | None:
    """The text of a file; None with a line in `unread` when it cannot be read or trusted."""
    try:
        with open(path, "rb") as file:
            unsafe = why_unsafe(file, owner_matters=False)
            if unsafe:
                unread.append(f"{path} is ignored: {unsafe}")
                return None
            content = file.read(LARGEST_FILE + 1)
            if len(content) > LARGEST_FILE:
                unread.append(f"{path} is ignored: it is too large")
                return None
            return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        unread.append(f"{path} cannot be read: {reason}")
        return None


def _program(path: Path, unread: list[str]) -> Literals:
    source = _read(path, unread)
    literals = read_literals(source if source is not None else "(", WANTED)
    unread += [f"{path}: {note}" for note in literals.notes if source is not None]
    unread += [
        f"{path}: {name} is computed (line {line})"
        for name, line in literals.computed.items()
        if line
    ]
    return literals


def _ini(path: Path, unread: list[str]) -> RawConfigParser:
    parser = RawConfigParser()
    try:
        parser.read_string(_read(path, unread) or "")
    except ConfigParserError:
        # its message would quote the line, and the line may hold a secret
        unread.append(f"{path} cannot be read: it is not an INI file")
        return RawConfigParser()
    return parser
