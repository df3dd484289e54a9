"""One connection to a mail server, kept from letter to letter, and what becomes of each of them.

What matters is the moment at which the final dot of a letter leaves us. Until then the mail server
cannot have taken it, and whatever goes wrong, it can be sent again. Once the answer is there it is
known. In between, it is not.
"""

from __future__ import annotations

import contextlib
import re
import select
import smtplib
import ssl
from typing import TYPE_CHECKING

from zcore.errors import Unreachable
from zcore.text import one_line
from zops_queue.mail.fates import MailDelayed, MailInDoubt, MailRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from zops_queue.mail.letter import Letter
    from zops_queue.mail.server import MailServer

Reply = tuple[int, bytes]

GOODBYE_SECONDS = 1
CLOSING = 421
LOGIN_NEEDED = 530
PATIENCE = 4  # after the final dot a mail server looks for spam and viruses: it gets more time
LINE_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)
GONE = (smtplib.SMTPServerDisconnected, OSError)


class Mailer:
    """Sends letters over one connection, which is made anew when it is stale. For one thread."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._connection: smtplib.SMTP | None = None

    def send(self, letter: Letter, before_dot: Callable[[], None]) -> None:
        """Send one letter; `before_dot` is called when its fate is about to be unknown.

        Raises `MailRefused`, `MailDelayed`, `MailInDoubt`; and `Unreachable` when the mail server
        is not there or does not let us in, which is nothing that the letter is to blame for.
        """
        connection = self._begin(letter)
        try:
            self._address(connection, letter)
            self._announce(connection, letter)
        except GONE as error:
            self._drop()
            raise self._delayed(letter, f"the connection was lost: {one_line(error)}") from error
        except (MailRefused, MailDelayed):
            self._take_back(connection)
            raise
        try:
            before_dot()
        except BaseException:
            self._drop()  # in the middle of a letter it is good for nothing else
            raise
        self._end(connection, letter)

    def close(self) -> None:
        """Say goodbye, if the mail server still listens. The next letter gets a new connection."""
        if self._connection is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                _wait_for(self._connection, GOODBYE_SECONDS)
                self._connection.docmd("QUIT")
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _begin(self, letter: Letter) -> smtplib.SMTP:
        """A connection that has accepted the sender. One that was kept may have gone stale."""
        if self._connection is not None:
            try:
                return self._from(self._connection, letter)
            except (MailDelayed, *GONE):
                self._drop()
        self._connection = connect(self._server)
        try:
            return self._from(self._connection, letter)
        except GONE as error:
            self._drop()
            raise self._delayed(letter, f"the connection was lost: {one_line(error)}") from error

    def _from(self, connection: smtplib.SMTP, letter: Letter) -> smtplib.SMTP:
        options = ""
        if letter.needs_utf8:
            if not connection.has_extn("smtputf8"):
                raise self._refused(letter, "does not take addresses outside of ASCII (SMTPUTF8)")
            options = " SMTPUTF8 BODY=8BITMIME"
        connection.command_encoding = "utf-8" if letter.needs_utf8 else "ascii"
        reply = connection.docmd("MAIL", f"FROM:<{letter.sender.spec}>{options}")
        if reply[0] == LOGIN_NEEDED:
            self._drop()
            raise Unreachable(
                f"{self._server.name} wants a login: {_words(reply)}",
                hint="put a user into ZOPS_SMTP_URL, and password_file under [mail]",
            )
        self._require(letter, reply, 200)
        return connection

    def _address(self, connection: smtplib.SMTP, letter: Letter) -> None:
        self._require(letter, connection.docmd("RCPT", f"TO:<{letter.recipient.spec}>"), 200)

    def _announce(self, connection: smtplib.SMTP, letter: Letter) -> None:
        """Send everything but the final dot, without which no mail server takes it."""
        self._require(letter, connection.docmd("DATA"), 300)
        content = LINE_WITH_DOT.sub(b"..", letter.content)
        connection.send(content if content.endswith(b"\r\n") else content + b"\r\n")
        if _has_spoken(connection):
            self._drop()
            raise self._delayed(letter, "the connection was lost in the middle of the letter")

    def _end(self, connection: smtplib.SMTP, letter: Letter) -> None:
        try:
            _wait_for(connection, self._server.seconds * PATIENCE)
            connection.send(b".\r\n")
            reply = connection.getreply()
            _wait_for(connection, self._server.seconds)
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise self._in_doubt(letter, one_line(error)) from error
        if not 200 <= reply[0] < 600:
            self._drop()
            raise self._in_doubt(letter, f"it said {_words(reply)}")
        self._require(letter, reply, 200)

    def _require(self, letter: Letter, reply: Reply, wanted: int) -> None:
        """Raise what `reply` means unless it is one of the hundred that are `wanted`."""
        if wanted <= reply[0] < wanted + 100:
            return
        if reply[0] == CLOSING:
            self._drop()
        if reply[0] >= 500:
            raise self._refused(letter, f"said {_words(reply)}")
        raise self._delayed(letter, f"{self._server.name} said {_words(reply)}")

    def _take_back(self, connection: smtplib.SMTP) -> None:
        """Make the connection ready for the next letter, or let go of it."""
        if self._connection is None:
            return
        try:
            code, _ = connection.docmd("RSET")
        except GONE:
            code = 0
        if not 200 <= code < 300:
            self._drop()

    def _refused(self, letter: Letter, why: str) -> MailRefused:
        return MailRefused(f"{letter.recipient.spec}: {self._server.name} {why}")

    def _delayed(self, letter: Letter, why: str) -> MailDelayed:
        return MailDelayed(f"{letter.recipient.spec}: {why}")

    def _in_doubt(self, letter: Letter, why: str) -> MailInDoubt:
        return MailInDoubt(
            f"{letter.recipient.spec}: in doubt: {self._server.name} was sent the whole letter and"
            f" did not say whether it takes it ({why})"
        )


def connect(server: MailServer) -> smtplib.SMTP:
    """A connection, encrypted and logged in as the settings ask for.

    Raises `Unreachable` when the mail server is not there, or does not let us in.
    """
    try:
        connection = _greeted(server)
    except (smtplib.SMTPException, OSError) as error:
        raise Unreachable(f"{server.name} cannot be reached: {_why(error)}") from error
    try:
        _encrypt(connection, server)
        _log_in(connection, server)
    except BaseException:
        connection.close()
        raise
    return connection


def _greeted(server: MailServer) -> smtplib.SMTP:
    if not server.tls:
        return smtplib.SMTP(
            server.host, server.port, local_hostname=server.me, timeout=server.seconds
        )
    return smtplib.SMTP_SSL(
        server.host,
        server.port,
        local_hostname=server.me,
        timeout=server.seconds,
        context=ssl.create_default_context(),
    )


def _encrypt(connection: smtplib.SMTP, server: MailServer) -> None:
    required = server.starttls == "required"
    try:
        connection.ehlo_or_helo_if_needed()
        if server.tls or server.starttls == "never":
            return
        if required or connection.has_extn("starttls"):
            connection.starttls(context=_checked() if required else _unchecked())
            connection.ehlo_or_helo_if_needed()
    except smtplib.SMTPNotSupportedError as error:
        raise Unreachable(
            f"{server.name} does not offer encryption (STARTTLS)",
            hint="with ?starttls=never in ZOPS_SMTP_URL everything is sent in the open",
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unreachable(f"no encrypted line to {server.name}: {_why(error)}") from error


def _checked() -> ssl.SSLContext:
    return ssl.create_default_context()


def _unchecked() -> ssl.SSLContext:
    """For who asked for no encryption and gets some: it keeps out those who only listen."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _log_in(connection: smtplib.SMTP, server: MailServer) -> None:
    if not server.user:
        return
    try:
        connection.login(server.user, server.password)
    except UnicodeEncodeError:
        why = "user and password have to be ASCII"
    except smtplib.SMTPNotSupportedError:
        why = "it offers no way to log in that we know"
    except (smtplib.SMTPException, OSError) as error:
        why = _why(error)
    else:
        return
    raise Unreachable(f"{server.name} does not let {server.user!r} in: {why}")


def _has_spoken(connection: smtplib.SMTP) -> bool:
    """Has the mail server said something out of turn, or hung up? Then it takes no letter."""
    if connection.sock is None:
        return True
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)


def _wait_for(connection: smtplib.SMTP, seconds: float) -> None:
    """From now on, answers may take that long."""
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _words(reply: Reply) -> str:
    return one_line(f"{reply[0]} {reply[1].decode('utf-8', 'replace')}")


def _why(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return _words((error.smtp_code, text if isinstance(text, bytes) else text.encode()))
    return one_line(error)
