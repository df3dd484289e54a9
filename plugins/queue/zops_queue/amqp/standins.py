"""Messages that stand in for deliveries: in a retry queue, or among the dead letters."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zcore.errors import Refused
from zops_queue.amqp.errors import TOO_LARGE
from zops_queue.processing.retry import Pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zcore.broker import Delivery
    from zops_queue.amqp.publisher import Message, Publisher

PAUSES = Pauses(first=1, longest=60)  # between attempts with what is refused


@dataclass(frozen=True, slots=True)
class StandIn:
    """`message` is to take the place of `delivery`; `arguments` are those of its queue."""

    message: Message
    arguments: Mapping[str, object]
    delivery: Delivery


class StandIns:
    """Sent one after the other through the publisher that `connect` gives, once there is any.

    While RabbitMQ takes nothing they wait here, and all else goes on: their deliveries stay
    unsettled, and go back to their queue when the connection ends. So does what is refused (their
    queue was made otherwise, is full, or not ours to use), and is tried again now and then.
    """

    def __init__(
        self,
        connect: Callable[[], Publisher],
        declare: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        self._connect = connect
        self._declare = declare
        self._publisher: Publisher | None = None
        self._waiting: deque[StandIn] = deque()
        self._under_way: StandIn | None = None
        self._refused: deque[StandIn] = deque()
        self._refusing: set[str] = set()  # queues
        self._reason = ""
        self._attempts = 0  # with what is refused
        self._next_attempt = 0.0

    def put(self, standin: StandIn) -> None:
        """Have its message take the place of its delivery."""
        is_refused = standin.message.queue in self._refusing
        (self._refused if is_refused else self._waiting).append(standin)

    def go_on(self, settle: Callable[[Delivery], object]) -> None:
        """Send what waits, as far as RabbitMQ takes it, and `settle` what is replaced."""
        self._try_again_if_due()
        while one := self._under_way or self._next():
            try:
                if not self._is_stored(one):
                    return
            except Refused as refusal:
                self._put_aside(one, refusal)
            else:
                settle(one.delivery)
            self._under_way = None
        if not self._refused:
            self._reason, self._attempts = "", 0

    def _next(self) -> StandIn | None:
        return self._waiting.popleft() if self._waiting else None

    def _is_stored(self, one: StandIn) -> bool:
        """Send `one`, unless it is under way already. Has it arrived?"""
        if self._publisher is None:
            self._publisher = self._connect()
        if self._under_way is None:
            self._under_way = one
            self._declare(one.message.queue, one.arguments)
            self._publisher.begin(one.message)
        return self._publisher.has_stored()

    def _put_aside(self, one: StandIn, refusal: Refused) -> None:
        """What goes to the same queue would be refused, too, unless it is for its size."""
        if not self._refused:
            self._reason = refusal.message
        self._refused.append(one)
        if refusal.code != TOO_LARGE:
            queue = one.message.queue
            self._refusing.add(queue)
            self._refused.extend(each for each in self._waiting if each.message.queue == queue)
            self._waiting = deque(each for each in self._waiting if each.message.queue != queue)
        if not self._attempts:
            self._set_next_attempt()

    def _try_again_if_due(self) -> None:
        if self._refused and time.monotonic() >= self._next_attempt:
            self._waiting = self._refused + self._waiting
            self._refused = deque()
            self._refusing.clear()
            self._set_next_attempt()

    def _set_next_attempt(self) -> None:
        self._attempts += 1
        self._next_attempt = time.monotonic() + PAUSES.pause(self._attempts)

    @property
    def trouble(self) -> str:
        """Why some wait; "" when none do."""
        if self._reason:
            return self._reason
        return self._publisher.trouble if self._publisher and self._under_way else ""
