"""A mail server on a socket, which does what a test tells it to."""

from __future__ import annotations

import base64
import contextlib
import re
import socketserver
import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTPUTF8
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

HANG = "hang"
DROP = "drop"
SECONDS = 20


@dataclass(frozen=True, slots=True)
class Received:
    """A letter that the server has taken."""

    sender: str
    recipient: str
    content: bytes
    encrypted: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        return cast("EmailMessage", message_from_bytes(self.content, policy=SMTPUTF8))

    def body(self, kind: str) -> str:
        """The text of the part that is "plain" or "html"."""
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


class MailServer:
    """`says[word]` is what it answers to the next commands with that word, instead of "all well".

    The words are those of SMTP and "CONNECT", "BODY" (in the middle of a letter) and "DOT" (after
    its end). Two answers are none: HANG and DROP. `login` is user and password, which it asks for
    once the line is encrypted. While `answers` is not set it says nothing after a letter;
    `has_letter` is set then.
    """

    def __init__(
        self,
        *,
        certificate: Path | None = None,
        tls: bool = False,
        login: tuple[str, str] | None = None,
        extensions: tuple[str, ...] = ("SMTPUTF8", "8BITMIME"),
    ) -> None:
        self.says: dict[str, deque[str]] = defaultdict(deque)
        self.received: list[Received] = []
        self.connections = 0
        self.login = login
        self.extensions = extensions
        self.has_letter = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        self.tls = tls
        self.ssl: ssl.SSLContext | None = None
        if certificate:
            self.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.ssl.load_cert_chain(certificate)
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        login = "{}:{}@".format(*self.login) if self.login else ""
        return f"{'smtps' if self.tls else 'smtp'}://{login}127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[str]:
        return [letter.recipient for letter in self.received]

    def close(self) -> None:
        self.answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Serve = Callable[..., MailServer]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: MailServer) -> None:
        super().__init__(address, _Session)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is nothing to speak of."""


class _Dropped(Exception):
    """The server hangs up."""


class _Session(socketserver.StreamRequestHandler):
    timeout = SECONDS

    def handle(self) -> None:
        self.owner = cast("_Server", self.server).owner
        self.owner.connections += 1
        self.encrypted = False
        self.user = ""
        if self.owner.tls:
            self._encrypt()
        with contextlib.suppress(_Dropped):  # the test wants the connection to end there
            self._answer("CONNECT", "220 here")
            while line := self.rfile.readline():
                self._command(line.decode().strip())

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _command(self, line: str) -> None:
        word = line.split()[0].upper()
        if word == "EHLO":
            self._answer("EHLO", *(f"250-{each}" for each in self._extensions()), "250 ok")
        elif word == "STARTTLS":
            self._answer("STARTTLS", "220 go")
            self._encrypt()
        elif word == "AUTH":
            self._log_in(line)
        elif word == "MAIL" and self.owner.login and not self.user:
            self._say("530 who are you?")
        elif word == "MAIL":
            self.sender = _address(line)
            self._answer("MAIL", "250 ok")
        elif word == "RCPT":
            self.recipient = _address(line)
            self._answer("RCPT", "250 ok")
        elif word == "DATA":
            self._letter()
        else:
            self._answer(word, "250 ok")

    def _extensions(self) -> list[str]:
        found = ["here", *self.owner.extensions]
        if self.owner.ssl and not self.encrypted:
            found.append("STARTTLS")
        if self.owner.login and self.encrypted:
            found.append("AUTH PLAIN")
        return found

    def _letter(self) -> None:
        if not self._answer("DATA", "354 go on"):
            return
        if self.owner.says["BODY"]:
            self.rfile.readline()
            self._answer("BODY")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise _Dropped  # a letter without an end is none
            lines.append(line[1:] if line.startswith(b".") else line)
        self.owner.has_letter.set()
        self.owner.answers.wait(SECONDS)
        if not self.owner.says["DOT"]:
            letter = Received(
                self.sender, self.recipient, b"".join(lines), self.encrypted, self.user
            )
            self.owner.received.append(letter)
        self._answer("DOT", "250 taken")

    def _log_in(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
        if (user, password) != self.owner.login:
            self._say("535 not with that password")
            return
        self.user = user
        self._answer("AUTH", "235 come in")

    def _encrypt(self) -> None:
        assert self.owner.ssl is not None
        self.connection = self.owner.ssl.wrap_socket(self.connection, server_side=True)
        self.request = self.connection
        self.rfile = self.connection.makefile("rb")
        self.wfile = cast("socketserver._SocketWriter", self.connection.makefile("wb", 0))  # type: ignore[assignment]  # as writable
        self.encrypted = True

    def _answer(self, word: str, *lines: str) -> bool:
        """What it was told to say to `word`, or `lines`. Is it the latter?"""
        told = self.owner.says[word]
        if not told:
            for line in lines:
                self._say(line)
            return True
        answer = told.popleft()
        if answer == HANG:
            time.sleep(SECONDS)
        if answer in (HANG, DROP):
            raise _Dropped
        self._say(answer)
        return False

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
        self.wfile.flush()


def _address(line: str) -> str:
    found = re.search(r"<(.*)>", line)
    assert found is not None
    return found.group(1)


def make_certificate(path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key, in the file `path`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a mail server")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
