"""One connection to RabbitMQ, driven by whoever waits on it.

pika's blocking connection waits for the confirmation of each single message; its asynchronous one
does not, but wants to own the program. Here the asynchronous one makes progress inside `wait` and
`wait_until`, so the caller stays in charge. A worker may be busy for an hour: meanwhile a thread
of its own sees to it that heartbeats are sent and received. Whoever touches the connection does so
inside `translated`, one at a time.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from pika.adapters.select_connection import IOLoop
from pika.exceptions import AMQPError

from zcore.errors import Unreachable
from zops_queue.amqp.deliveries import Connection
from zops_queue.amqp.errors import (
    NoSuchQueue,
    blocked_error,
    channel_error,
    connection_error,
    parameters,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pika

    from zops_queue.amqp.deliveries import Take

SECONDS_TO_ANSWER = 30.0
SECONDS_TO_CLOSE = 5.0
SECONDS_BLOCKED = 60.0
LOOKS_A_HEARTBEAT = 4
TCP_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}

# Whatever pika logs as an error also reaches us as an exception, and is said once, in our words.
logging.getLogger("pika").setLevel(logging.CRITICAL)


class Link:
    """A connection to the RabbitMQ at `url`. Raises `Unreachable` when there is none.

    `is_blocked` says that RabbitMQ has stopped reading it, because it is short of memory or disk:
    that happens to connections that publish, and keeps back whatever else they say. One that is
    not `patient` is given up after a minute of that.
    """

    def __init__(self, url: str, name: str, *, patient: bool = False) -> None:
        self.name = name
        self.is_blocked = False
        settings = _tuned(parameters(url), None if patient else SECONDS_BLOCKED)
        self._loop = IOLoop()
        self._loop.activate_poller()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._open = False
        self._lost: BaseException | None = None
        self._connection = Connection(
            settings,
            on_open_callback=self._opened,
            on_open_error_callback=self._was_lost,
            on_close_callback=self._was_lost,
            custom_ioloop=self._loop,
        )
        self._connection.add_on_connection_blocked_callback(self._was_blocked)
        self._connection.add_on_connection_unblocked_callback(self._was_unblocked)
        try:
            self.wait_until(lambda: self._open)
        except BaseException:
            self._release_the_loop()
            raise
        self._keep_alive()

    def wait(self, seconds: float) -> None:
        """Send and receive; return when something happened or after `seconds`."""
        self._check()
        with self.translated():
            self._connection.send_acknowledgements()
            timeout = self._loop.call_later(seconds, _nothing)
            self._loop.poll()
            self._loop.remove_timeout(timeout)
            self._loop.process_timeouts()
        self._check()

    def wait_until(self, happened: Callable[[], object], seconds: float | None = None) -> None:
        """Send and receive until `happened()`; `Unreachable` when that takes too long."""
        deadline = time.monotonic() + (seconds or SECONDS_TO_ANSWER)
        while not happened():
            if time.monotonic() > deadline:
                if self.is_blocked:
                    raise blocked_error(self.name)
                raise Unreachable(f"{self.name} does not answer", hint="look into its log")
            self.wait(1.0)

    def channel(self) -> Channel:
        """A new channel."""
        with self.translated():
            return Channel(self, self._connection.channel)

    def hand_over(self, channel: Channel, consumer_tag: str, take: Take) -> None:
        """Have `take` called with the deliveries for a consumer, in `wait` and `wait_until`.

        It is only called with those that have come whole; the others come by way of pika.
        """
        self._connection.hand_over(channel.raw.channel_number, consumer_tag, take)

    def acknowledge(self, channel: Channel, tag: int, *, multiple: bool) -> None:
        """Say of a delivery on `channel`, or of all up to it, that it is done."""
        self._connection.acknowledge(channel.raw.channel_number, tag, multiple=multiple)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """While inside, nobody else touches the connection; what pika raises is `Unreachable`."""
        try:
            with self._lock:
                yield
        except AMQPError as error:
            raise connection_error(self.name, self._lost or error) from error

    def close(self) -> None:
        """Say goodbye, as far as the other side still listens."""
        with contextlib.suppress(Unreachable), self.translated():
            if self._connection.is_open and not self.is_blocked:
                self._connection.close()
                self.wait_until(lambda: self._lost, SECONDS_TO_CLOSE)
        if self._lost is None:  # it does not listen
            with contextlib.suppress(Unreachable), self.translated():
                self._connection.abandon()
                self.wait_until(lambda: self._lost, SECONDS_TO_CLOSE)
        self._release_the_loop()

    def _opened(self, _connection: object) -> None:
        self._open = True

    def _was_blocked(self, _connection: object, _method: object) -> None:
        self.is_blocked = True

    def _was_unblocked(self, _connection: object, _method: object) -> None:
        self.is_blocked = False

    def _was_lost(self, _connection: object, reason: BaseException) -> None:
        self._lost = reason

    def _check(self) -> None:
        if self._lost is not None:
            raise connection_error(self.name, self._lost)

    def _release_the_loop(self) -> None:
        with self._lock:
            self._closed.set()
            self._loop.deactivate_poller()
            self._loop.close()

    def _keep_alive(self) -> None:
        """Serve heartbeats, as often as RabbitMQ and we have agreed on, in a thread."""
        if period := self._connection.params.heartbeat:
            threading.Thread(
                target=self._serve_heartbeats,
                args=(period / LOOKS_A_HEARTBEAT,),
                name="heartbeats",
                daemon=True,
            ).start()

    def _serve_heartbeats(self, pause: float) -> None:
        while not self._closed.wait(pause):
            if not self._lock.acquire(blocking=False):
                continue  # somebody is waiting on the connection, which serves them, too
            try:
                if not self._closed.is_set():
                    self.wait(0)
            except Unreachable:
                return  # whoever uses the connection next is told
            finally:
                self._lock.release()


class Channel:
    """One channel of a link: `raw` is pika's, `call` asks something and waits for the answer."""

    def __init__(self, link: Link, opener: Callable[..., Any]) -> None:
        self._link = link
        self.closed: BaseException | None = None
        opened: list[object] = []
        self.raw = opener(on_open_callback=opened.append)
        self.raw.add_on_close_callback(self._was_closed)
        link.wait_until(lambda: opened or self.closed)
        self.check()

    def call(self, method: Callable[..., object], *args: object, **kwargs: object) -> Any:
        """The method of the answer to `method(..., callback=...)`.

        Raises `NoSuchQueue` when RabbitMQ says so, `Refused` when it does not let us, else
        `Unreachable`; the channel is of no use then.
        """
        answers: list[Any] = []
        with self._link.translated():
            method(*args, **kwargs, callback=answers.append)
            self._link.wait_until(lambda: answers or self.closed)
        self.check()
        return answers[0].method

    def check(self) -> None:
        """Raise what closed the channel, if anything did."""
        if self.closed is not None:
            raise channel_error(self._link.name, self.closed)

    def close(self) -> None:
        """Close the channel: what was taken on it and not settled goes back."""
        if self.closed is None:
            with self._link.translated():
                self.raw.close()
                self._link.wait_until(lambda: self.closed)

    def _was_closed(self, _channel: object, reason: BaseException) -> None:
        self.closed = reason


def _tuned(settings: pika.ConnectionParameters, blocked: float | None) -> pika.ConnectionParameters:
    settings.tcp_options = TCP_OPTIONS
    settings.blocked_connection_timeout = settings.blocked_connection_timeout or blocked
    return settings


def _nothing() -> None:
    """Wakes the loop."""


__all__ = ["Channel", "Link", "NoSuchQueue"]
