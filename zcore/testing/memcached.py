"""memcached for tests: a private one with a login, as a Zulip server has it, or a named one."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import struct
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from zcore.testing.processes import (
    Account,
    Server,
    free_ports,
    private_folder,
    run_program,
    unprivileged_account,
)
from zcore.testing.programs import memcached_program, sasl_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

USER, SASL_REALM = "zulip", "localhost"
HEADER = struct.Struct("!BBHBBHIIQ")  # of memcached's binary protocol
GET, SET, VERSION, LOGIN = 0x00, 0x01, 0x0B, 0x21


class MemcachedServer:
    """A memcached that somebody else runs: `memcached://user:password@host:port`, or without login.

    `username` is "" where it asks for no login.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 11211
        self.username = unquote(parts.username or "")
        self.password = unquote(parts.password or "")

    @property
    def place(self) -> str:
        """Host and port, as the setting `memcached` wants them."""
        return f"{self.host}:{self.port}"

    @property
    def toml(self) -> str:
        """The settings that name it, for the table `[server]` of `zops.toml`."""
        login = ""
        if self.username:
            login = (
                f'memcached_username = "{self.username}"\nmemcached_password = "{self.password}"\n'
            )
        return f'memcached = "{self.place}"\n{login}'

    @property
    def version(self) -> str:
        """What it calls itself, such as "1.6.18"."""
        with self._connected() as connection:
            return _ask(connection, VERSION)[1].decode()

    def put(self, keys: Iterable[bytes]) -> None:
        """Keep something under each of `keys`."""
        with self._connected() as connection:
            for key in keys:
                status, said = _ask(connection, SET, key, b"kept", extras=bytes(8))
                assert status == 0, said  # noqa: S101 # the kit is for tests

    def there(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of `keys` under which something is kept."""
        with self._connected() as connection:
            return {key for key in keys if _ask(connection, GET, key)[0] == 0}

    def stop(self) -> None:
        """Nothing to do: somebody else's server stays."""

    @contextlib.contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        with socket.create_connection((self.host, self.port), 10) as connection:
            if self.username:
                login = f"\0{self.username}\0{self.password}".encode()
                status, said = _ask(connection, LOGIN, b"PLAIN", login)
                assert status == 0, said  # noqa: S101 # as above
            yield connection


class PrivateMemcached(MemcachedServer):
    """One of our own on 127.0.0.1; with `login`, only for those who know its password.

    Raises `ServiceMissing` when it is not installed, `ServiceFailed` when it will not run.
    """

    def __init__(self, *, login: bool = True) -> None:
        program = memcached_program()
        account = unprivileged_account()
        self.folder = private_folder("memcached", account)
        (port,) = free_ports(1)
        password = secrets.token_urlsafe(12)
        user = f"{USER}%40{SASL_REALM}:{password}@" if login else ""
        super().__init__(f"memcached://{user}127.0.0.1:{port}")
        try:
            if login:
                self._write_login(sasl_program(), password, account)
            self._server = self._start(program, account)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._server.wait_until(self._answers)

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def _start(self, program: Path, account: Account | None) -> Server:
        place = ("-l", self.host, "-p", str(self.port), "-U", "0")
        login = ("-S",) if self.username else ()
        environment = {"SASL_CONF_PATH": str(self.folder)}
        return Server(
            [program, *place, *login], self.folder, environment=environment, account=account
        )

    def _write_login(self, program: Path, password: str, account: Account | None) -> None:
        database = self.folder / "sasldb2"
        (self.folder / "memcached.conf").write_text(
            f"mech_list: plain\nsasldb_path: {database}\n", "utf-8"
        )
        options = ("-p", "-c", "-f", str(database), "-u", SASL_REALM, USER)
        run_program([program, *options], folder=self.folder, account=account, given=password)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0


def _ask(
    connection: socket.socket,
    operation: int,
    key: bytes = b"",
    value: bytes = b"",
    extras: bytes = b"",
) -> tuple[int, bytes]:
    """Status and body of the answer to one request in the binary protocol."""
    size = len(extras) + len(key) + len(value)
    header = HEADER.pack(0x80, operation, len(key), len(extras), 0, 0, size, 0, 0)
    connection.sendall(header + extras + key + value)
    answer = HEADER.unpack(_receive(connection, HEADER.size))
    return answer[5], _receive(connection, answer[6])


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        some = connection.recv(size - len(received))
        if not some:
            raise ConnectionError("memcached closed the connection")
        received += some
    return received
