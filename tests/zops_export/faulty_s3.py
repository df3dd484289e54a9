"""An object store that misbehaves: an HTTP proxy that fails where a test wants it to."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from typing import Self

ALWAYS = 1 << 30
ERROR = b"<Error><Code>InternalError</Code><Message>We are sorry</Message></Error>"
STOPS_WAITING = 30  # seconds, should a test never end


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that have this method and `where` in the path.

    `how`: "error" (the answer is 500), "cut" (in the middle of the answer), "stall" (there, too),
    "lost" (the work is done, and nobody hears of it), "hang up" (at once), "not implemented".
    """

    how: str
    where: str = ""
    method: str = "GET"
    times: int = 1


class FaultyS3:
    """Stands before the server at `url`. `faults` are used up in order; `seen` was asked for."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str]] = []
        self._behind = (str(parts.hostname), parts.port)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(OSError):
                    self.raw_requestline = self.rfile.readline(1 << 16)
                    if not self.raw_requestline or not self.parse_request():
                        self.close_connection = True
                        return
                    proxy._serve(self)
                    return
                self.close_connection = True

            def log_message(self, *_words: object) -> None:
                pass

        return Handler

    def _next_fault(self, method: str, path: str) -> str:
        with self._lock:
            self.seen.append((method, path))
            for fault in self.faults:
                if fault.times and fault.method in ("", method) and fault.where in path:
                    fault.times -= 1
                    return fault.how
        return ""

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        how = self._next_fault(request.command, unquote(request.path))
        if how == "hang up":
            request.close_connection = True
            return
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers, content = [("Content-Length", str(len(ERROR)))], ERROR
        status = {"error": 500, "not implemented": 501}.get(how)
        if status is None:
            status, headers, content = self._forward(request, body)
        if how == "stall" and not content:
            self._ended.wait(STOPS_WAITING)
        if how == "lost":
            request.close_connection = True
            return
        request.send_response_only(status)
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            self._send(request, content, how)

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, how: str) -> None:
        if how not in ("cut", "stall"):
            request.wfile.write(content)
            return
        request.wfile.write(content[: len(content) // 2])
        request.wfile.flush()
        if how == "stall":
            self._ended.wait(STOPS_WAITING)
        request.close_connection = True

    def _forward(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(*self._behind)
        with contextlib.closing(connection):
            connection.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
        headers = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "content-length")
        ]
        size = answer.getheader("Content-Length") if request.command == "HEAD" else None
        return answer.status, [*headers, ("Content-Length", size or str(len(content)))], content
