"""Messages that stand in for deliveries: in a retry queue, or among the dead letters."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.broker import Delivery
    from zops_queue.amqp.publisher import Message, Publisher


class StandIns:
    """Sent one after the other through the publisher that `connect` gives, once there is any.

    While RabbitMQ takes nothing they wait here, and all else goes on: their deliveries stay
    unsettled, and go back to their queue when the connection ends.
    """

    def __init__(self, connect: Callable[[], Publisher]) -> None:
        self._connect = connect
        self._publisher: Publisher | None = None
        self._waiting: deque[tuple[Message, Delivery]] = deque()
        self._under_way: Delivery | None = None

    def put(self, message: Message, delivery: Delivery) -> None:
        """Have `message` take the place of `delivery`."""
        self._waiting.append((message, delivery))

    def go_on(self, settle: Callable[[Delivery], object]) -> None:
        """Send what waits, as far as RabbitMQ takes it, and `settle` what is replaced."""
        while self._waiting or self._under_way:
            if self._publisher is None:
                self._publisher = self._connect()
            if self._under_way is None:
                message, self._under_way = self._waiting.popleft()
                self._publisher.begin(message)
            if not self._publisher.has_stored():
                return
            settle(self._under_way)
            self._under_way = None

    @property
    def trouble(self) -> str:
        """Why some wait; "" when none do."""
        return self._publisher.trouble if self._publisher and self._under_way else ""
