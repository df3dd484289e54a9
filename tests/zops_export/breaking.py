"""A network that breaks: a proxy for TCP that cuts connections where a test wants it to."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import Self

BLOCK = 64 * 1024
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"  # comes before the answer to what has a body


class BreakingProxy:
    """Stands before the server at `url`.

    `cuts` has, for the next connections, how many bytes of the answer come through; what has none
    works. With `down`, every connection is closed at once; it goes down by itself when a request
    has `goes_down_at` in it. The answer to the next one with `loses_answer_to` in it is lost.
    `requests` is what was sent.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.cuts: list[int] = []
        self.down = False
        self.goes_down_at: bytes | None = None
        self.loses_answer_to: bytes | None = None
        self.requests: list[bytes] = []
        self._behind = (parts.hostname, parts.port)
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, client: socket.socket) -> None:
        if self.down:
            return
        with contextlib.suppress(OSError), socket.create_connection(self._behind) as server:
            asking = threading.Thread(target=self._ask, args=(client, server))
            asking.start()
            with contextlib.suppress(OSError):
                self._answer(server, client)
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(BLOCK):
                self.requests.append(data)
                if self.goes_down_at is not None and self.goes_down_at in data:
                    self.down = True
                    server.shutdown(socket.SHUT_RDWR)
                if self.loses_answer_to is not None and self.loses_answer_to in data:
                    self.loses_answer_to = None
                    self.cuts.insert(0, len(GO_ON) + 1)
                server.sendall(data)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        left = None
        while data := server.recv(BLOCK):
            if left is None:
                left = self.cuts.pop(0) if self.cuts else 1 << 60
            client.sendall(data[:left])
            left -= len(data[:left])
            if not left:
                return
