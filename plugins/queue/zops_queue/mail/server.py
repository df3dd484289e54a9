"""Where the mail server is: the setting `smtp_url`, read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from zcore.errors import Refused
from zcore.text import one_line

if TYPE_CHECKING:
    from zcore.settings import Settings

PORTS = {"smtp": 25, "smtps": 465}
STARTTLS = ("offered", "required", "never")
HINT = "write ZOPS_SMTP_URL as smtp://user:password@host:587?starttls=required"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """`tls`: encrypted from the first byte. `starttls`: when to encrypt later, see `STARTTLS`.

    `me` is what we call ourselves, `seconds` how long an answer may take.
    """

    host: str
    port: int
    tls: bool
    starttls: str
    user: str
    password: str = field(repr=False)
    me: str
    seconds: float

    @property
    def name(self) -> str:
        """As it may be shown."""
        return f"the mail server {self.host}:{self.port}"


def find_server(settings: Settings, seconds: float) -> MailServer:
    """The mail server in the settings. Raises `Refused` when there is none, or it is not clear."""
    if not settings.smtp_url:
        raise Refused(
            "no mail server is known", hint="set ZOPS_SMTP_URL (smtp://host)", code="no-mail-server"
        )
    try:
        return _parsed(settings, settings.smtp_url, seconds)
    except ValueError as error:
        raise _refused(one_line(error)) from None


def _parsed(settings: Settings, url: str, seconds: float) -> MailServer:
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise _refused("it is not of the form smtp://host or smtps://host")
    user = unquote(parts.username or "")
    password = settings.mail_password() or unquote(parts.password or "")
    if user and not password:
        raise _refused("there is a user and no password")
    return MailServer(
        host=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        starttls=_starttls(parts.query, user),
        user=user,
        password=password,
        me=(settings.external_host or "").partition(":")[0] or "localhost",
        seconds=seconds,
    )


def _starttls(query: str, user: str) -> str:
    """A password goes over an open line only when that is said."""
    said = dict(parse_qsl(query, keep_blank_values=True))
    starttls = said.pop("starttls", "required" if user else "offered")
    if said:
        raise _refused(f"nobody knows what {', '.join(said)} means")
    if starttls not in STARTTLS:
        raise _refused(f"starttls is {starttls!r}, not one of {', '.join(STARTTLS)}")
    return starttls


def _refused(why: str) -> Refused:
    return Refused(f"the mail server in ZOPS_SMTP_URL: {why}", hint=HINT, code="bad-setting")
