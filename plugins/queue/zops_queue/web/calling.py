"""One request, its redirects, and an answer within bounds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from urllib3.exceptions import HTTPError

from zcore.text import one_line
from zops_queue.web.connecting import Way, cut_after, headers_for, read_url, target_of, ways_to
from zops_queue.web.errors import WebBroken, WebUnavailable

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse
    from urllib3.connection import HTTPConnection
    from urllib3.util import Url

MOST_REDIRECTS = 5
LARGEST_ANSWER = 1 << 20  # bytes
BLOCKED = 407  # what a proxy says that does not let us through
AS_GET = (301, 302, 303)  # of these, what follows has no body
REDIRECTS = (*AS_GET, 307, 308)
TIMEOUT = "a timeout occurred"
LOST = (HTTPError, HTTPException, OSError)  # the connection, or what came is no HTTP


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, where to. `seconds` is how long all of it may take, redirects included.

    Unless it `follows` redirects, they are the answer.
    """

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    seconds: float = 10.0
    follows: bool = True


class Answer(NamedTuple):
    """What came back; of an answer that is no success, only the beginning may have been read."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Has the other side done what it was asked for?"""
        return 200 <= self.status < 300


class _Reply(NamedTuple):
    answer: Answer
    location: str | None


def call(request: Request, way: Way) -> Answer:
    """Send `request`, and follow where it is sent on to. Raises `NoAnswer`.

    Each place is looked at anew: none of them may be in a private network.
    """
    deadline = time.monotonic() + request.seconds
    for _ in range(MOST_REDIRECTS + 1):
        reply = _call_once(request, way, deadline)
        if reply.location is None or not request.follows:
            return reply.answer
        request = _sent_on(request, reply)
    raise WebBroken(f"it is sent on more than {MOST_REDIRECTS} times")


def _sent_on(request: Request, reply: _Reply) -> Request:
    url = urljoin(request.url, reply.location or "")
    if request.url.startswith("https:") and not url.startswith("https:"):
        raise WebBroken(f"it is sent on to {url!r}, which is not encrypted")
    if reply.answer.status in AS_GET:
        headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
        return replace(request, url=url, method="GET", body=b"", headers=headers)
    return replace(request, url=url)


def _call_once(request: Request, way: Way, deadline: float) -> _Reply:
    url = read_url(request.url)
    problem = f"{url.host} has no address"
    for connection in ways_to(url, way, _left(deadline)):
        with cut_after(connection, _left(deadline)) as cut:
            try:
                connection.connect()
            except LOST as error:
                if way.proxy is not None and str(BLOCKED) in str(error):
                    return _Reply(Answer(BLOCKED, b""), None)
                problem = _why(error, cut)
                continue
            try:
                reply = _exchange(connection, request, url, way)
            except LOST as error:
                raise WebUnavailable(_why(error, cut)) from error
            if cut:  # what ends with the connection looks whole
                raise WebUnavailable(TIMEOUT)
            return reply
    raise WebUnavailable(problem)


def _exchange(connection: HTTPConnection, request: Request, url: Url, way: Way) -> _Reply:
    headers = {**headers_for(url, way), **request.headers}
    target = target_of(url, way)
    body = request.body or None
    connection.request(request.method, target, body, headers, preload_content=False)
    response = connection.getresponse()
    location = response.headers.get("Location") if response.status in REDIRECTS else None
    return _Reply(Answer(response.status, _read(response)), location)


def _read(response: BaseHTTPResponse) -> bytes:
    """The body, unpacked. Raises `WebBroken` when that of a success is too large."""
    body = b""
    while len(body) <= LARGEST_ANSWER and (more := response.read(LARGEST_ANSWER + 1 - len(body))):
        body += more
    if len(body) > LARGEST_ANSWER and 200 <= response.status < 300:
        raise WebBroken(f"the answer has more than {LARGEST_ANSWER:,} bytes")
    return body[:LARGEST_ANSWER]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise WebUnavailable(TIMEOUT)
    return left


def _why(error: BaseException, cut: Sequence[bool]) -> str:
    if cut or isinstance(error, TimeoutError) or "timed out" in str(error):
        return TIMEOUT
    return one_line(error)
