"""Requests to places that users name: bounds, redirects, and no way into private networks."""

from __future__ import annotations

import gzip
import socket
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.smtp_server import make_certificate
from tests.web_server import Received, Response, WebServer
from zcore import Refused
from zops_queue.web import addresses, calling, connecting
from zops_queue.web.addresses import find_addresses, may_be_called, read_networks
from zops_queue.web.calling import LARGEST_ANSWER, Request, call
from zops_queue.web.connecting import Way
from zops_queue.web.errors import WebBroken, WebForbidden, WebUnavailable

LOOPBACK = read_networks(["127.0.0.0/8"])
HERE = Way(allowed=LOOPBACK)

Serve = Callable[..., WebServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[WebServer] = []

    def start(answer: Any = None) -> WebServer:
        servers.append(WebServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_a_packed_answer_is_unpacked_within_its_bounds(serve: Serve) -> None:
    packed = {"Content-Encoding": "gzip"}
    server = serve(Response(gzip.compress(b"hello"), headers=packed))
    assert call(Request(server.url, b"{}"), HERE).body == b"hello"
    server.answer = Response(gzip.compress(bytes(1 << 26)), headers=packed)
    tracemalloc.start()
    with pytest.raises(WebBroken, match="more than"):
        call(Request(server.url, b"{}"), HERE)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 24


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.3.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.1", False),
        ("224.0.0.1", False),
        ("239.255.255.250", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_only_public_addresses_are_called(address: str, may: bool) -> None:
    assert may_be_called(address, ()) is may


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]"])
def test_loopback_has_many_names(serve: Serve, host: str) -> None:
    server = serve()
    with pytest.raises((WebForbidden, WebUnavailable, WebBroken)):
        call(Request(f"http://{host}:{server.port}/", b""), Way())
    assert server.received == []


def test_networks_can_be_allowed() -> None:
    allowed = read_networks(["10.1.0.0/16", "fd00::/8", "192.168.1.5"])
    assert may_be_called("10.1.2.3", allowed)
    assert may_be_called("fd12::1", allowed)
    assert may_be_called("192.168.1.5", allowed)
    assert not may_be_called("10.2.2.3", allowed)
    assert not may_be_called("192.168.1.6", allowed)
    with pytest.raises(Refused, match=r"webhook_networks: '10"):
        read_networks(["10.1.0.0/99"])


def test_a_name_that_leads_into_a_private_network() -> None:
    with pytest.raises(WebForbidden, match="localhost is in a private network"):
        find_addresses("localhost", 80, ())
    assert "127.0.0.1" in find_addresses("localhost", 80, LOOPBACK)
    with pytest.raises(WebUnavailable, match="has no address"):
        find_addresses("no-such-host.invalid", 80, ())


def test_the_address_that_was_looked_at_is_the_one_that_is_called(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver is asked once: what it says the second time does not count."""
    server = serve(Response(b"found"))
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    url = f"http://bot.example.com:{server.port}/hook"
    with pytest.raises(WebForbidden):
        call(Request(url, b""), Way())
    # an address that is one already is not looked up by what connects
    real = _only_addresses(resolve)
    monkeypatch.setattr(addresses.socket, "getaddrinfo", real)
    assert call(Request(url, b"x"), HERE).body == b"found"
    assert asked == ["bot.example.com"] * 2
    assert server.received[0].headers["host"] == f"bot.example.com:{server.port}"


def _only_addresses(resolve: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    from_system = socket.getaddrinfo

    def choose(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host == "127.0.0.1":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return resolve(host, port, **named)

    assert from_system is not None
    return choose


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", b""),
        (302, "GET", b""),
        (303, "GET", b""),
        (307, "POST", b"x"),
        (308, "POST", b"x"),
    ],
)
def test_redirects_are_followed(serve: Serve, status: int, method: str, body: bytes) -> None:
    def answer(received: Received) -> Response:
        if received.path == "/there":
            return Response(b"here")
        return Response(status=status, headers={"Location": "/there"})

    server = serve(answer)
    request = Request(f"{server.url}/hook", b"x", {"Content-Type": "text/plain"})
    assert call(request, HERE) == (200, b"here")
    last = server.received[-1]
    assert (last.method, last.body) == (method, body)
    assert ("content-type" in last.headers) is (method == "POST")


def test_a_redirect_leads_into_no_private_network(serve: Serve) -> None:
    inside = serve()
    inside_url = inside.url.replace("127.0.0.1", "127.0.0.2")
    outside = serve(Response(status=302, headers={"Location": inside_url}))
    with pytest.raises(WebForbidden, match=r"127\.0\.0\.2"):
        call(Request(outside.url, b""), Way(allowed=read_networks(["127.0.0.1"])))
    assert inside.received == []


def test_redirects_come_to_an_end(serve: Serve) -> None:
    server = serve(Response(status=302, headers={"Location": "/again"}))
    with pytest.raises(WebBroken, match="more than 5 times"):
        call(Request(server.url, b""), HERE)
    assert len(server.received) == 6
    kept = call(Request(server.url, b"", follows=False), HERE)
    assert kept.status == 302


@pytest.mark.parametrize(
    "raw",
    [
        [b"H"] * 100,
        [b"HTTP/1.1 200 OK\r\n", *[b"X-More: x\r\n"] * 99],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 100],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 100],
    ],
    ids=["status", "headers", "body", "chunks"],
)
def test_an_answer_that_drips_is_cut_off(serve: Serve, raw: list[bytes]) -> None:
    server = serve(Response(raw=raw, pause=0.1))
    with pytest.raises(WebUnavailable, match="a timeout occurred"):
        call(Request(server.url, b"", seconds=0.5), HERE)


def test_no_answer_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(WebUnavailable, match="a timeout occurred"):
            call(Request(url, b"", seconds=0.3), HERE)
    with pytest.raises(WebUnavailable, match="refused"):
        call(Request(url, b"", seconds=5), HERE)


@pytest.mark.parametrize(
    "raw", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_what_is_no_answer(serve: Serve, raw: bytes) -> None:
    with pytest.raises(WebUnavailable):
        call(Request(serve(Response(raw=[raw])).url, b""), HERE)


def test_an_answer_that_is_too_large(serve: Serve) -> None:
    server = serve(Response(b"x" * (LARGEST_ANSWER + 1)))
    with pytest.raises(WebBroken, match="more than 1,048,576 bytes"):
        call(Request(server.url, b""), HERE)
    server.answer = Response(b"x" * (LARGEST_ANSWER + 1), status=500)
    assert call(Request(server.url, b""), HERE) == (500, b"x" * LARGEST_ANSWER)


@pytest.mark.parametrize(
    "url", ["", "hook", "ftp://example.com", "http://", "http://[", "file:///etc/x"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(WebBroken, match="is no address"):
        call(Request(url, b""), HERE)


def test_no_way_back_to_what_is_not_encrypted() -> None:
    reply = calling._Reply(calling.Answer(302, b""), "http://example.com/")
    with pytest.raises(WebBroken, match="not encrypted"):
        calling._sent_on(Request("https://example.com/", b""), reply)


def test_a_proxy_is_asked_for_the_whole_address(serve: Serve) -> None:
    proxy = serve(Response(b"through"))
    way = Way(proxy=proxy.url.replace("//", "//me:hush@"), role="webhook")
    assert call(Request("http://inside.example.com/hook?a=1", b"x"), way) == (200, b"through")
    (received,) = proxy.received
    assert received.path == "http://inside.example.com/hook?a=1"
    assert received.headers["x-smokescreen-role"] == "webhook"
    assert received.headers["proxy-authorization"] == "Basic bWU6aHVzaA=="
    assert received.headers["host"] == "inside.example.com"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_says_no(serve: Serve, scheme: str) -> None:
    proxy = serve(Response(status=407))
    way = Way(proxy=proxy.url, role="webhook")
    assert call(Request(f"{scheme}://inside.example.com/", b"x"), way).status == 407
    (received,) = proxy.received
    assert received.headers["x-smokescreen-role"] == "webhook"
    expected = "inside.example.com:443" if scheme == "https" else "http://inside.example.com/"
    assert received.path == expected


def test_the_certificate_has_to_be_that_of_the_name(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    make_certificate(certificate)
    server = serve(Response(b"secret"))
    server.encrypt(certificate)
    trusting = ssl.create_default_context(cafile=certificate)
    with pytest.raises(WebUnavailable, match="self-signed"):
        call(Request(server.url, b""), HERE)
    monkeypatch.setattr(connecting, "_trusted", lambda: trusting)
    assert call(Request(server.url, b""), HERE).body == b"secret"
    by_name = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(WebUnavailable, match="mismatch"):
        call(Request(by_name, b""), HERE)
