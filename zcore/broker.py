"""What a message broker must do, and the values that pass between it and those who use it.

Whoever publishes needs `publish_events`; a queue worker gets `Event` values and a `WorkContext`.
The brokers themselves come from plugins through the hook `zops_queue_brokers`, one per scheme of
the setting `broker`; `open_broker` finds the right one.

Every call of a broker or a consumer may raise `zcore.Unreachable` when the connection is lost;
the object is of no use afterwards and everything that was in hand goes back to its queue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from zcore.errors import Refused
from zcore.targets import resolve
from zcore.values import BrokerKind

if TYPE_CHECKING:
    import sqlalchemy as sa

    from zcore.context import Context
    from zcore.database import Database
    from zcore.settings import Settings

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock on the wall, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message as it came from the broker, to be settled through the consumer it came from.

    `tag` is the consumer's name for it; `attempts` how often a worker failed on it before, and
    `first_seen` when it did so first; `redelivered` says that somebody may have begun it already.
    """

    queue: str
    body: bytes
    tag: int
    attempts: int = 0
    redelivered: bool = False
    first_seen: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Delivery):
    """A delivery whose body is a JSON object: `payload`."""

    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A worker's word that `event` can never be handled: it becomes a dead letter at once."""

    event: Event
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an event became a dead letter. `attempts` counts all, the last one too.

    `time` is when it was given up, `first_seen` when a worker first failed on it.
    """

    error: str
    traceback: str
    attempts: int
    host: str
    worker: str
    time: datetime
    first_seen: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that was given up, kept with the reason."""

    id: str
    queue: str
    body: bytes
    failure: Failure


Choice = Callable[[DeadLetter], bool]
"""Which dead letters somebody means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How many events a queue holds. `in_hand` (with workers) is None where nobody can tell."""

    queue: str
    ready: int = 0
    in_hand: int | None = None
    delayed: int = 0
    dead: int = 0
    consumers: int = 0


Complete = Callable[["sa.Connection", Sequence[Event]], None]


def no_lease(connection: sa.Connection, events: Sequence[Event]) -> None:
    """Without a lease there is nothing to complete."""


@dataclass(frozen=True, slots=True)
class WorkContext:
    """What a worker gets along with its events.

    `publish(queue, payload)` sends an event on after the worker has returned and before its own
    events are acknowledged, so nothing is sent for work that failed. `clock` gives the time.

    `complete(connection, events)` is for a worker with a lease: called as the last thing in the
    transaction that has the effect of `events`, after what they publish, it makes the effect and
    the word that it is done one, also when the process is killed. It raises when another process
    has the events by now; the transaction must not be committed then.
    """

    settings: Settings
    publish: Callable[[str, Mapping[str, object]], None]
    clock: Clock
    open_database: Callable[[], Database]
    complete: Complete = field(default=no_lease, kw_only=True)

    @property
    def database(self) -> Database:
        """The organization's database, connected at first use."""
        return self.open_database()


class Consumer(Protocol):
    """Takes deliveries out of some queues. Used by one thread."""

    def wait(self, seconds: float) -> None:
        """Fetch what is there, up to the prefetch; return at the latest after `seconds`."""

    def held(self, queue: str) -> int:
        """How many deliveries of `queue` have been fetched and not taken yet."""

    def take(self, queue: str, most: int) -> Sequence[Delivery]:
        """The oldest fetched deliveries of `queue`, at most `most`. Each must be settled."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """They are done: forget them."""

    def retry(self, delivery: Delivery, seconds: float) -> None:
        """Deliver it again after about `seconds`, with one more attempt counted.

        The first time it also notes the time, for `first_seen`.
        """

    def postpone(self, delivery: Delivery, seconds: float) -> None:
        """Deliver it again after about `seconds`, as it is now: nobody has tried it."""

    def bury(self, delivery: Delivery, failure: Failure) -> None:
        """Keep it as a dead letter instead of in its queue."""

    @property
    def trouble(self) -> str:
        """Why what was retried, postponed or buried is not stored yet; "" when all of it is.

        A broker may take nothing for a while, or refuse just these; meanwhile other events go on,
        and `wait` goes on with these.
        """

    def close(self) -> None:
        """Stop; what was fetched and not settled goes back to its queue."""


class Broker(Protocol):
    """Durable queues of events. Used by one thread."""

    @property
    def name(self) -> str:
        """Where it is, fit to be shown (no password)."""

    def declare(self, queue: str) -> None:
        """Make sure that `queue` exists."""

    def publish(self, queue: str, bodies: Iterable[bytes]) -> int:
        """Append events to `queue` (declared if need be), and return how many.

        When it returns, the broker has stored every one of them. Raises `Refused` when it is
        there and does not take them: a worker's event that wants them published has failed then.
        """

    def consume(self, prefetch: Mapping[str, int], label: str) -> Consumer:
        """Start to take from the queues named in `prefetch`.

        `prefetch` says for each queue how many deliveries may be unsettled at once; `label`
        names the worker in what the broker shows.
        """

    def queues(self) -> Sequence[str]:
        """The queues that the broker can name by itself; some brokers can name none."""

    def state(self, queue: str) -> QueueState | None:
        """How full `queue` is; None when it does not exist."""

    def peek(self, queue: str, most: int) -> Sequence[Delivery]:
        """The first ready events, left where they are."""

    def dead_letters(self, queue: str, most: int) -> Sequence[DeadLetter]:
        """The oldest dead letters of `queue`, left where they are."""

    def replay(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Put the dead letters that are `chosen` back to the end of `queue`; return their ids.

        Their attempts are counted from the beginning. Each is stored in `queue` before it leaves
        the dead letters: a replay that is killed can leave some in both, and none in neither.
        """

    def drop(self, queue: str, chosen: Choice) -> Sequence[str]:
        """Throw away the dead letters of `queue` that are `chosen`; return their ids."""

    def hasten(self, queue: str, seconds: float) -> None:
        """Make what waits for a later attempt wait at most about `seconds` more."""

    def purge(self, queue: str) -> int:
        """Throw away what is ready or delayed (not the dead letters); return how many."""

    def close(self) -> None:
        """Close the connection, and the consumers with it."""


def encode_event(payload: Mapping[str, object]) -> bytes:
    """The body of an event as the server writes it: compact JSON in UTF-8."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def publish_events(context: Context, queue: str, payloads: Iterable[Mapping[str, object]]) -> int:
    """Append events to `queue` of the broker in the settings; return how many.

    Raises `zcore.Unreachable` when the broker is not there.
    """
    broker = open_broker(context)
    try:
        return broker.publish(queue, (encode_event(payload) for payload in payloads))
    finally:
        broker.close()


def open_broker(context: Context) -> Broker:
    """Connect to the broker that the settings name.

    Raises `zcore.Refused` when no plugin knows its scheme, `zcore.Unreachable` when it cannot be
    reached or does not let us in.
    """
    url = context.settings.broker
    scheme = url.partition("://")[0].lower()
    kinds = broker_kinds(context)
    if scheme not in kinds:
        known = ", ".join(sorted(kinds)) or "none"
        raise Refused(
            f"no broker is known by the name {scheme!r}",
            hint=f"the setting 'broker' is one of: {known} (a URL where it needs one)",
            code="unknown-broker",
        )
    kind = kinds[scheme]
    with context.plugins.running(kind, f"broker {scheme}") as outcome:
        found = resolve(kind.target, owner=f"the broker {scheme!r}")
        broker = cast("Callable[[str, Settings], Broker]", found)(url, context.settings)
        outcome.append(broker)
    return broker


def is_rabbitmq(url: str) -> bool:
    """Does the setting `broker` name a RabbitMQ, which can be a server's, and no file of ours?"""
    return url.partition("://")[0].lower() in ("amqp", "amqps")


def broker_kinds(context: Context) -> dict[str, BrokerKind]:
    """The kinds of broker by scheme; of two with one scheme, the first plugin's counts."""
    kinds: dict[str, BrokerKind] = {}
    for _, kind in context.plugins.available("zops_queue_brokers", BrokerKind):
        kinds.setdefault(kind.scheme, kind)
    return kinds
