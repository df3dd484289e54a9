"""Connections to where a request goes: straight to an address, or through a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import unquote

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, make_headers, parse_url

from zops_queue.web.addresses import Network, find_addresses
from zops_queue.web.errors import WebBroken

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Way:
    """How requests go out. With a `proxy` (its URL), it decides where they may go.

    `role` is what Smokescreen, the proxy of a Zulip server, is told that the request is for.
    """

    allowed: tuple[Network, ...] = ()
    proxy: str | None = field(default=None, repr=False)
    role: str = ""


def read_url(url: str) -> Url:
    """The parts of an address. Raises `WebBroken` when it is none of HTTP."""
    try:
        parts = parse_url(url)
    except LocationParseError as error:
        raise WebBroken(f"{url!r} is no address") from error
    if parts.scheme not in PORTS or not parts.host:
        raise WebBroken(f"{url!r} is no address of the web")
    return parts


def ways_to(url: Url, way: Way, seconds: float) -> Iterator[HTTPConnection]:
    """Connections to try one after the other, none of them connected yet.

    Raises what `find_addresses` raises.
    """
    if way.proxy is not None:
        yield _through(read_url(way.proxy), url, way, seconds)
        return
    host, port = _host(url), _port(url)
    for address in find_addresses(host, port, way.allowed):
        if url.scheme == "https":
            context = _trusted()
            yield HTTPSConnection(
                address, port, timeout=seconds, server_hostname=host, ssl_context=context
            )
        else:
            yield HTTPConnection(address, port, timeout=seconds)


def headers_for(url: Url, way: Way) -> dict[str, str]:
    """The headers that depend on where the request goes."""
    headers = {"Host": url.netloc or ""}
    if url.auth:
        headers |= make_headers(basic_auth=unquote(url.auth))
    if way.proxy is not None and url.scheme == "http":
        headers |= _for_proxy(read_url(way.proxy), way.role)
    return headers


def target_of(url: Url, way: Way) -> str:
    """What stands in the first line of the request: a proxy is told the whole address."""
    if way.proxy is not None and url.scheme == "http":
        return url._replace(auth=None, fragment=None).url
    return url.request_uri


@contextmanager
def cut_after(connection: HTTPConnection, seconds: float) -> Iterator[Sequence[bool]]:
    """While inside, the connection is cut after `seconds`, however it is kept busy meanwhile.

    Gives a list that is not empty when it was.
    """
    cut: list[bool] = []

    def end() -> None:
        cut.append(True)
        if (sock := connection.sock) is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()
        connection.close()


def _through(proxy: Url, url: Url, way: Way, seconds: float) -> HTTPConnection:
    host, port = _host(proxy), _port(proxy)
    if url.scheme == "http":
        return HTTPConnection(host, port, timeout=seconds)
    connection = HTTPSConnection(host, port, timeout=seconds, ssl_context=_trusted())
    headers = _for_proxy(proxy, way.role)
    connection.set_tunnel(_host(url), _port(url), headers=headers, scheme="http")
    return connection


def _for_proxy(proxy: Url, role: str) -> Mapping[str, str]:
    headers = make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else {}
    return {**headers, **({"X-Smokescreen-Role": role} if role else {})}


def _host(url: Url) -> str:
    return (url.host or "").strip("[]")


def _port(url: Url) -> int:
    return url.port or PORTS[url.scheme or "http"]


@cache
def _trusted() -> ssl.SSLContext:
    """Certificates that this machine trusts."""
    return ssl.create_default_context()
