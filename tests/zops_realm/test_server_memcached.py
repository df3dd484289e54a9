"""The client of memcached, against a real one: with a login, and without."""

from __future__ import annotations

import secrets
import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zcore import Refused, Unreachable
from zcore.settings import Settings
from zcore.testing.memcached import MemcachedServer, PrivateMemcached
from zops_realm.server.memcached import KEYS_AT_ONCE, connected, split_place

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings_for(folder: Path, server: str) -> Settings:
    """The settings with this table `[server]`."""
    (folder / "zops.toml").write_text(f"[server]\n{server}")
    return Settings.load({}, {"HOME": str(folder)}, folder)


@pytest.fixture(scope="module")
def open_memcached(memcached: MemcachedServer) -> Iterator[MemcachedServer]:
    """A memcached without a login (where there is none, that with a login is not there either)."""
    server = PrivateMemcached(login=False)
    yield server
    server.stop()


@pytest.fixture(params=["memcached", "open_memcached"])
def server(request: pytest.FixtureRequest) -> MemcachedServer:
    """The test runs with each kind."""
    found: MemcachedServer = request.getfixturevalue(request.param)
    return found


def test_deletes_what_is_there_and_says_how_many(server: MemcachedServer, tmp_path: Path) -> None:
    mark = secrets.token_hex(4)
    keys = [f":1:{mark}:{n}".encode() for n in range(2 * KEYS_AT_ONCE + 1)]
    server.put([*keys[::2], b"kept"])
    with connected(settings_for(tmp_path, server.toml)) as client:
        assert client.delete(keys) == len(keys[::2])
        assert client.delete([]) == 0
    assert server.there([*keys, b"kept"]) == {b"kept"}


def test_says_its_version(server: MemcachedServer, tmp_path: Path) -> None:
    with connected(settings_for(tmp_path, server.toml)) as client:
        assert client.version() == server.version


def test_a_wrong_password_is_refused(memcached: MemcachedServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, memcached.toml.replace(memcached.password, "hush-hush"))
    with (
        pytest.raises(Unreachable, match="refused the user name or password") as caught,
        connected(settings),
    ):
        pytest.fail("it let us in")
    assert "hush" not in caught.value.message + caught.value.hint


def test_a_missing_login_is_asked_for(memcached: MemcachedServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, f'memcached = "{memcached.place}"\n')
    with pytest.raises(Unreachable, match="closed the connection") as caught, connected(settings):
        pytest.fail("it let us in")
    assert "memcached_username" in caught.value.hint


def test_nobody_at_the_port(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, 'memcached = "127.0.0.1:1"\n')
    with pytest.raises(Unreachable, match="Connection refused"), connected(settings):
        pytest.fail("somebody is there")


@pytest.mark.parametrize("login", ["", 'memcached_username = "zulip@localhost"\n'])
def test_something_else_at_the_port(tmp_path: Path, login: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=_greet_as_ssh, args=[listener])
        thread.start()
        place = "{}:{}".format(*listener.getsockname())
        settings = settings_for(tmp_path, f'memcached = "{place}"\n{login}')
        with pytest.raises(Unreachable, match=place), connected(settings):
            pytest.fail("that was no memcached")
        thread.join()


def _greet_as_ssh(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"SSH-2.0-something that is not memcached\r\n")
        connection.recv(1000)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("127.0.0.1:11211", ("127.0.0.1", 11211)),
        ("cache.example", ("cache.example", 11211)),
        ("[::1]:9", ("::1", 9)),
        ("[::1]", ("::1", 11211)),
    ],
)
def test_places(place: str, expected: tuple[str, int]) -> None:
    assert split_place(place) == expected


@pytest.mark.parametrize("place", ["", ":11211", "host:many", "host:70000"])
def test_what_is_no_place(place: str) -> None:
    with pytest.raises(Refused, match="memcached"):
        split_place(place)
