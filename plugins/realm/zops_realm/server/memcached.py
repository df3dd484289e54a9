"""A client of memcached that does what is needed here: log in, and delete keys.

A server's memcached asks for a login (SASL), which only the binary protocol has; without a login
the text protocol is spoken, which every memcached knows. The libraries that speak both hide
whether the server was reached at all, and that is what has to be told here.
"""

from __future__ import annotations

import socket
import struct
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from zcore import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

    from zcore.settings import Settings

DEFAULT_PORT = 11211
SECONDS = 5.0  # to connect, and for each answer
KEYS_AT_ONCE = 200  # so that neither side waits for the other to read

# The binary protocol: magic, opcode, lengths of key and extras, type, status, body, opaque, cas
HEADER = struct.Struct("!BBHBBHIIQ")
REQUEST, RESPONSE = 0x80, 0x81
DELETE, VERSION, LOGIN = 0x04, 0x0B, 0x21
DONE, NOT_FOUND, LOGIN_FAILED = 0x00, 0x01, 0x20

CHECK = "is memcached running, and are the settings memcached, memcached_username and\
 memcached_password right?"


class Memcached(Protocol):
    """A connection to memcached. Both calls raise `Unreachable` when it is lost."""

    def version(self) -> str:
        """What memcached calls itself, such as "1.6.18"."""

    def delete(self, keys: Iterable[bytes]) -> int:
        """Delete `keys`; return how many of them were there."""


@contextmanager
def connected(settings: Settings) -> Iterator[Memcached]:
    """The memcached that `settings` name, while inside.

    Raises `Refused` when the setting cannot be read, `Unreachable` when memcached does not answer
    or does not let us in.
    """
    place = settings.memcached or ""
    host, port = split_place(place)
    with (
        _translated(place),
        socket.create_connection((host, port), SECONDS) as connection,
        connection.makefile("rb") as answers,
    ):
        if settings.memcached_username is None:
            text = TextMemcached(connection, answers, place)
            text.version()  # one that wants a login hangs up here
            yield text
        else:
            memcached = BinaryMemcached(connection, answers, place)
            memcached.log_in(settings.memcached_username, settings.memcached_password or "")
            yield memcached


def split_place(place: str) -> tuple[str, int]:
    """Host and port of `host`, `host:port` or `[::1]:port`. Raises `Refused`."""
    host, separator, port = place.rpartition(":")
    if not separator or place.endswith("]"):
        host, port = place, str(DEFAULT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise Refused(
            f"the setting memcached is not a host and a port: {place!r}",
            hint="write it as 127.0.0.1:11211",
            code="bad-setting",
        )
    return host, int(port)


class TextMemcached:
    """The text protocol: no login."""

    def __init__(self, connection: socket.socket, answers: BufferedReader, place: str) -> None:
        self._connection = connection
        self._answers = answers
        self._place = place

    def version(self) -> str:
        """What memcached calls itself."""
        # One that only knows the binary protocol says nothing before it has a whole header.
        self._connection.sendall(b"version".ljust(HEADER.size) + b"\r\n")
        return self._answer(b"VERSION").decode("ascii", "replace").partition(" ")[2]

    def delete(self, keys: Iterable[bytes]) -> int:
        """Delete `keys`, many in one go; return how many were there."""
        deleted = 0
        for some in _chunks(keys):
            self._connection.sendall(b"".join(b"delete %s\r\n" % key for key in some))
            answers = [self._answer(b"DELETED", b"NOT_FOUND") for _ in some]
            deleted += answers.count(b"DELETED")
        return deleted

    def _answer(self, *expected: bytes) -> bytes:
        line = self._answers.readline(1024)
        if not line:
            raise Unreachable(
                f"memcached at {self._place} closed the connection",
                hint="does it ask for a login? Give memcached_username and memcached_password",
            )
        line = line.rstrip(b"\r\n")
        if not line.startswith(expected):
            raise _refusal(self._place, line)
        return line


class BinaryMemcached:
    """The binary protocol, with a login."""

    def __init__(self, connection: socket.socket, answers: BufferedReader, place: str) -> None:
        self._connection = connection
        self._answers = answers
        self._place = place

    def log_in(self, username: str, password: str) -> None:
        """Log in with SASL's mechanism PLAIN."""
        secret = f"\0{username}\0{password}".encode()
        self._connection.sendall(_request(LOGIN, b"PLAIN", secret))
        status, body = self._answer()
        if status == LOGIN_FAILED:
            raise Unreachable(
                f"memcached at {self._place} refused the user name or password", hint=CHECK
            )
        if status != DONE:
            raise _refusal(self._place, body)

    def version(self) -> str:
        """What memcached calls itself."""
        self._connection.sendall(_request(VERSION))
        _, body = self._answer()
        return body.decode("ascii", "replace")

    def delete(self, keys: Iterable[bytes]) -> int:
        """Delete `keys`, many in one go; return how many were there."""
        deleted = 0
        for some in _chunks(keys):
            self._connection.sendall(b"".join(_request(DELETE, key) for key in some))
            answers = [self._answer() for _ in some]
            for status, body in answers:
                if status not in (DONE, NOT_FOUND):
                    raise _refusal(self._place, body)
            deleted += sum(status == DONE for status, _ in answers)
        return deleted

    def _answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        magic, _, _, _, _, status, length, _, _ = HEADER.unpack(self._read(HEADER.size))
        if magic != RESPONSE:
            raise Unreachable(f"what answers at {self._place} is not memcached", hint=CHECK)
        return int(status), self._read(length)

    def _read(self, size: int) -> bytes:
        data = self._answers.read(size)
        if len(data) < size:
            raise Unreachable(f"memcached at {self._place} closed the connection", hint=CHECK)
        return data


def _request(operation: int, key: bytes = b"", value: bytes = b"") -> bytes:
    size = len(key) + len(value)
    return HEADER.pack(REQUEST, operation, len(key), 0, 0, 0, size, 0, 0) + key + value


def _refusal(place: str, answer: bytes) -> Unreachable:
    said = answer.decode("ascii", "replace")
    return Unreachable(f"memcached at {place} answered: {said}", hint=CHECK)


def _chunks(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(keys)
    while some := list(islice(iterator, KEYS_AT_ONCE)):
        yield some


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Turn what sockets raise into `Unreachable`."""
    try:
        yield
    except OSError as error:
        reason = "it does not answer" if isinstance(error, TimeoutError) else error.strerror
        raise Unreachable(f"no connection to memcached at {place}: {reason}", hint=CHECK) from error
