"""A web server on a loopback socket, for tests of what calls others."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, (value,) in parse_qs(self.body.decode()).items()}


@dataclass(slots=True)
class Response:
    """What is answered; or the pieces of `raw`, written as they are, `pause` seconds apart."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)
    pause: float = 0


class WebServer:
    """Answers everything with what `answer` says; `received` are the requests, in order."""

    def __init__(self, answer: Callable[[Received], Response] | Response | None = None) -> None:
        self.answer = answer or Response()
        self.received: list[Received] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer_to(self, received: Received) -> Response:
        self.received.append(received)
        return self.answer(received) if callable(self.answer) else self.answer

    def encrypt(self, certificate: Path) -> None:
        """From now on speak TLS, with the certificate and key in this file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = server.answer_to(Received(self.command, self.path, headers, body))
            self.close_connection = True
            try:
                if response.raw:
                    self._drip(response)
                    return
                self.send_response(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.body)))
                self.end_headers()
                self.wfile.write(response.body)
            except OSError:
                return  # whoever asked is gone

        def _drip(self, response: Response) -> None:
            for piece in response.raw:
                self.wfile.write(piece)
                self.wfile.flush()
                if server.closing.wait(response.pause):
                    return

        do_GET = do_POST = do_CONNECT = _handle  # the names that it looks for

    return Handler
