"""`/healthz` and `/metrics` of a run, for whoever watches it."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zops_queue.watching.health import all_health, exposition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zops_queue.watching.meter import Readable

SECONDS_FOR_A_REQUEST = 10
SECONDS_BETWEEN_LOOKS = 0.1


@contextlib.contextmanager
def serving(address: tuple[str, int], meters: Readable) -> Iterator[str]:
    """While inside, answer at `address`; the URL, which says the port where 0 was asked for.

    Raises `Refused` when nobody can listen there.
    """
    with _listening(address, meters) as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(SECONDS_BETWEEN_LOOKS,), name="http", daemon=True
        )
        thread.start()
        try:
            host, port = server.server_address[:2]
            name = f"[{host!s}]" if ":" in str(host) else host
            yield f"http://{name!s}:{port}"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    """A thread for each request, none of which keeps the program alive."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, family: int, place: tuple[str, int], meters: Readable) -> None:
        self.address_family = family
        super().__init__(place, partial(_Handler, meters))

    def server_bind(self) -> None:
        """Listen, without asking the name service what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


def _listening(address: tuple[str, int], meters: Readable) -> _Server:
    host, port = address
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _Server(family, (str(place[0]), int(place[1])), meters)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(
            f"cannot listen on {host}:{port}: {reason}", hint="choose another with --http"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = SECONDS_FOR_A_REQUEST
    server_version = "zops"
    sys_version = ""

    def __init__(self, meters: Readable, *args: object) -> None:
        self._meters = meters
        super().__init__(*args)  # type: ignore[arg-type]  # what the server passes on

    def do_GET(self) -> None:  # the name is the library's
        """Health or numbers."""
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer_health()
        elif path == "/metrics":
            kind = "text/plain; version=0.0.4; charset=utf-8"
            self._answer(HTTPStatus.OK, kind, exposition(self._meters))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", "/healthz and /metrics are here\n")

    do_HEAD = do_GET  # the name is the library's

    def _answer_health(self) -> None:
        found = all_health(self._meters)
        ok = all(each.ok for each in found.values())
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        queues = {queue: asdict(each) for queue, each in found.items()}
        text = json.dumps({"ok": ok, "queues": queues})
        self._answer(status, "application/json", f"{text}\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: whoever asks every few seconds is no news."""
