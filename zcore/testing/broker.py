"""A broker in memory, for tests: `zcore.broker.Broker` without a file or a server.

`StubQueues` are the queues; any number of `StubBroker` are connections to them, also from several
threads. The tests of zops run it through what every broker must do, beside the real ones. It lives
in one process: another one has no way to it.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from zcore.broker import Choice, Clock, DeadLetter, Delivery, Failure, QueueState, utc_now
from zcore.errors import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from zcore.settings import Settings

SCHEME = "stub"
SECONDS_BETWEEN_LOOKS = 0.01  # at the clock, which may be a test's own

PLUGIN = """
from zcore import BrokerKind, hookimpl

@hookimpl
def zops_queue_brokers():
    return [BrokerKind("stub", "zcore.testing.broker:connect", "in memory, for tests")]
"""
"""The module of a plugin that lets the setting `broker` name `StubQueues.url`."""

_numbers = itertools.count(1)
_by_url: WeakValueDictionary[str, StubQueues] = WeakValueDictionary()


def connect(url: str, settings: Settings) -> StubBroker:
    """A connection to the queues with this URL. Raises `Refused` when this process has none."""
    queues = _by_url.get(url)
    if queues is None:
        raise Refused(f"{url} is a broker in the memory of another process")
    return StubBroker(queues)


@dataclass(slots=True, eq=False)
class _Stored:
    """An event in a queue: ready; or delayed until `due`, a Unix time; or in hand of `owner`."""

    number: int
    body: bytes
    attempts: int = 0
    due: float = 0
    owner: StubConsumer | None = None
    first_seen: datetime | None = None
    begun: bool = False  # by somebody who did not settle it

    def is_ready(self, now: float) -> bool:
        """May a consumer have it?"""
        return self.owner is None and self.due <= now

    def delivery(self, queue: str) -> Delivery:
        """What a consumer gets of it."""
        return Delivery(
            queue=queue,
            body=self.body,
            tag=self.number,
            attempts=self.attempts,
            redelivered=self.begun,
            first_seen=self.first_seen,
        )


class StubQueues:
    """The queues, and what is in them. `url` is for the setting `broker`.

    Set `away` to a reason, and every call of a connection raises `Unreachable` with it, until it
    is "" again.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.away = ""
        self.events: dict[str, list[_Stored]] = {}
        self.letters: dict[str, list[DeadLetter]] = defaultdict(list)
        self.consumers: list[StubConsumer] = []
        self.changed = threading.Condition()
        self.url = f"{SCHEME}://{next(_numbers)}"
        _by_url[self.url] = self

    @property
    def now(self) -> float:
        """The time of the clock, in seconds."""
        return self.clock().timestamp()

    def require_reachable(self) -> None:
        """Raise `Unreachable` while it is away."""
        if self.away:
            raise Unreachable(f"no connection to the broker: {self.away}")

    def payloads(self, queue: str) -> list[Any]:
        """What the events of `queue` that nobody has in hand say, oldest first."""
        with self.changed:
            return [json.loads(each.body) for each in self.events.get(queue, ()) if not each.owner]


class StubBroker:
    """A connection to `queues`: see `zcore.broker.Broker` for what each call means."""

    def __init__(self, queues: StubQueues | None = None) -> None:
        self.stub = StubQueues() if queues is None else queues
        self._consumers: list[StubConsumer] = []

    @property
    def name(self) -> str:
        """The URL."""
        return self.stub.url

    def declare(self, queue: str) -> None:
        """Begin an empty queue, if it is not there."""
        self.stub.require_reachable()
        with self.stub.changed:
            self.stub.events.setdefault(queue, [])

    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        """Append events."""
        self.declare(queue)
        new = [_Stored(next(_numbers), body) for body in bodies]
        with self.stub.changed:
            self.stub.events[queue] += new
            self.stub.changed.notify_all()
        return len(new)

    def consume(self, prefetch: Mapping[str, int], label: str) -> StubConsumer:
        """Take from queues."""
        for queue in prefetch:
            self.declare(queue)
        consumer = StubConsumer(self.stub, prefetch)
        self._consumers.append(consumer)
        return consumer

    def queues(self) -> Sequence[str]:
        """All queues that were ever declared."""
        self.stub.require_reachable()
        return list(self.stub.events)

    def state(self, queue: str) -> QueueState | None:
        """Counts."""
        self.stub.require_reachable()
        with self.stub.changed:
            events = self.stub.events.get(queue)
            if events is None:
                return None
            in_hand = sum(each.owner is not None for each in events)
            ready = sum(each.is_ready(self.stub.now) for each in events)
            return QueueState(
                queue=queue,
                ready=ready,
                in_hand=in_hand,
                delayed=len(events) - ready - in_hand,
                dead=len(self.stub.letters[queue]),
                consumers=sum(each.takes_from(queue) for each in self.stub.consumers),
            )

    def peek(self, queue: str, most: int) -> Sequence[Delivery]:
        """The first ready events."""
        self.stub.require_reachable()
        with self.stub.changed:
            return [each.delivery(queue) for each in itertools.islice(self._ready(queue), most)]

    def _ready(self, queue: str) -> Iterator[_Stored]:
        now = self.stub.now
        return (each for each in self.stub.events.get(queue, ()) if each.is_ready(now))

    def dead_letters(self, queue: str, most: int) -> Sequence[DeadLetter]:
        """The oldest dead letters."""
        self.stub.require_reachable()
        return self.stub.letters[queue][:most]

    def replay(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Make events of dead letters again."""
        with self.stub.changed:
            letters = self._take(queue, chosen)
            self.publish(queue, [letter.body for letter in letters])
        return [letter.id for letter in letters]

    def drop(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Forget dead letters."""
        return [letter.id for letter in self._take(queue, chosen)]

    def _take(self, queue: str, chosen: Choice) -> list[DeadLetter]:
        self.stub.require_reachable()
        with self.stub.changed:
            letters = self.stub.letters[queue]
            taken = [letter for letter in letters if chosen(letter)]
            self.stub.letters[queue] = [each for each in letters if each not in taken]
        return taken

    def hasten(self, queue: str, seconds: float) -> None:
        """Bring the time of the next attempt nearer."""
        self.stub.require_reachable()
        with self.stub.changed:
            for each in self.stub.events.get(queue, ()):
                each.due = min(each.due, self.stub.now + seconds)

    def purge(self, queue: str) -> int:
        """Forget what nobody has in hand."""
        self.stub.require_reachable()
        with self.stub.changed:
            events = self.stub.events.get(queue, [])
            kept = [each for each in events if each.owner is not None]
            purged = len(events) - len(kept)
            events[:] = kept
        return purged

    def close(self) -> None:
        """Give back what is in hand."""
        for consumer in self._consumers:
            consumer.close()


class StubConsumer:
    """See `zcore.broker.Consumer`."""

    def __init__(self, queues: StubQueues, prefetch: Mapping[str, int]) -> None:
        self._stub = queues
        self._prefetch = prefetch
        self._fetched: dict[str, deque[Delivery]] = {queue: deque() for queue in prefetch}
        self._taken: set[int] = set()
        queues.consumers.append(self)

    def takes_from(self, queue: str) -> bool:
        """Does it get events of `queue`?"""
        return queue in self._prefetch

    def wait(self, seconds: float) -> None:
        """Fetch what is there; wait until there is something."""
        deadline = time.monotonic() + seconds
        with self._stub.changed:
            while True:
                self._stub.require_reachable()
                left = deadline - time.monotonic()
                if self._fetch() or left <= 0:
                    return
                self._stub.changed.wait(min(left, SECONDS_BETWEEN_LOOKS))

    def held(self, queue: str) -> int:
        """Fetched and not taken yet."""
        return len(self._fetched[queue])

    def take(self, queue: str, most: int) -> Sequence[Delivery]:
        """The oldest fetched ones."""
        fetched = self._fetched[queue]
        taken = [fetched.popleft() for _ in range(min(most, len(fetched)))]
        self._taken |= {each.tag for each in taken}
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Forget them."""
        for delivery in deliveries:
            self._settle(delivery)

    def retry(self, delivery: Delivery, seconds: float) -> None:
        """Give it back, not to be delivered before its time."""
        again = _Stored(delivery.tag, delivery.body, delivery.attempts + 1)
        again.first_seen = delivery.first_seen or self._stub.clock()
        self._put_back(delivery, again, seconds)

    def postpone(self, delivery: Delivery, seconds: float) -> None:
        """Give it back as it is, not to be delivered before its time."""
        again = _Stored(delivery.tag, delivery.body, delivery.attempts)
        again.first_seen = delivery.first_seen
        self._put_back(delivery, again, seconds)

    def bury(self, delivery: Delivery, failure: Failure) -> None:
        """Move it to the dead letters."""
        with self._stub.changed:
            self._settle(delivery)
            letter = DeadLetter(
                id=str(delivery.tag), queue=delivery.queue, body=delivery.body, failure=failure
            )
            self._stub.letters[delivery.queue].append(letter)

    @property
    def trouble(self) -> str:
        """None: what is settled is stored."""
        return ""

    def close(self) -> None:
        """Give back everything that is not settled."""
        with self._stub.changed:
            if self in self._stub.consumers:
                self._stub.consumers.remove(self)
            for events in self._stub.events.values():
                for each in events:
                    if each.owner is self:
                        each.owner = None
                        each.begun |= each.number in self._taken
            self._stub.changed.notify_all()

    def _put_back(self, delivery: Delivery, again: _Stored, seconds: float) -> None:
        with self._stub.changed:
            self._settle(delivery)
            again.due = self._stub.now + seconds
            again.begun = delivery.redelivered
            self._stub.events[delivery.queue].append(again)
            self._stub.events[delivery.queue].sort(key=lambda each: each.number)

    def _settle(self, delivery: Delivery) -> None:
        """Take an event that this consumer has in hand out of its queue."""
        self._stub.require_reachable()
        with self._stub.changed:
            events = self._stub.events[delivery.queue]
            events[:] = [
                each for each in events if each.number != delivery.tag or each.owner is not self
            ]

    def _fetch(self) -> int:
        """Fill up to the prefetch. How many came."""
        came = 0
        for queue, most in self._prefetch.items():
            events, now = self._stub.events[queue], self._stub.now
            room = most - sum(each.owner is self for each in events)
            ready = (each for each in events if each.is_ready(now))
            for each in itertools.islice(ready, max(room, 0)):
                each.owner, each.due = self, 0
                self._fetched[queue].append(each.delivery(queue))
                came += 1
        return came
