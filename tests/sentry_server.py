"""A Sentry on a loopback socket, which keeps what it is sent."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from typing import Any


class SentryServer(http.server.ThreadingHTTPServer):
    """Takes envelopes. `items` are what was in them: the type of each and what it says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.raw: list[str] = []
        self.items: list[tuple[str, dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/7"

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [item for type, item in self.items if type == kind]

    def take(self, envelope: bytes) -> None:
        self.raw.append(envelope.decode())
        _, *lines = envelope.decode().strip().split("\n")
        for header, item in zip(lines[::2], lines[1::2], strict=True):
            self.items.append((json.loads(header)["type"], json.loads(item)))


class _Taking(http.server.BaseHTTPRequestHandler):
    server: SentryServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.take(body)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""
