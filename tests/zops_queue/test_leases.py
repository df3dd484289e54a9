"""Leases: one effect of an event, although it is delivered twice, and whatever dies meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from tests.zops_queue.places import workplace
from tests.zops_queue.proxy import Proxy
from tests.zops_queue.receiving import until
from zcore.broker import Event
from zops_queue.amqp.broker import AmqpBroker
from zops_queue.embedded.broker import EmbeddedBroker
from zops_queue.processing import leases as lease_module
from zops_queue.processing.lease_owners import has_ended, new_owner
from zops_queue.processing.leases import LeaseLost, Leases
from zops_queue.processing.runner import run
from zops_queue.processing.workplace import Options, Tally
from zops_queue.registry import LoadedWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.zops_queue.conftest import Connect
    from zcore.broker import Broker, WorkContext
    from zcore.database import Database

EFFECTS = sa.Table("test_effects", sa.MetaData(), sa.Column("number", sa.Integer, nullable=False))


@pytest.fixture
def effects(database: Database) -> Callable[[], list[int]]:
    """Makes the table of effects; returns them, when called."""
    with database.begin() as connection:
        EFFECTS.create(connection)

    def read() -> list[int]:
        with database.read() as connection:
            return sorted(connection.execute(sa.select(EFFECTS.c.number)).scalars())

    return read


def event(number: int, *, again: bool = False) -> Event:
    """An event; `again` when somebody may have had it in hand."""
    body = b'{"n":%d}' % number
    return Event(queue="q", body=body, tag=number, payload={"n": number}, redelivered=again)


def test_what_is_done_is_not_done_again(database: Database) -> None:
    first, second = Leases(database), Leases(database)
    events = [event(1), event(2)]
    assert first.take(events).ours == events
    first.finish(events[:1], [("next", b"{}")])
    first.release(events[1:])
    again = second.take([event(1, again=True), event(2, again=True)])
    assert (again.ours, again.done, again.held) == (
        [event(2, again=True)],
        [(event(1, again=True), [("next", b"{}")])],
        [],
    )
    second.published([event(1)])
    assert second.take([event(1, again=True)]).done == [(event(1, again=True), [])]


def test_another_event_that_says_the_same_is_done(database: Database) -> None:
    leases = Leases(database)
    first = leases.take([event(1), event(1)])
    assert (len(first.ours), len(first.held)) == (1, 1)  # one after the other
    leases.finish(first.ours, [])
    assert leases.take([event(1)]).ours == [event(1)]


def test_what_others_work_on_is_left_to_them(database: Database) -> None:
    first, second = Leases(database), Leases(database)
    first.take([event(1)])
    assert second.take([event(1, again=True)]).held == [event(1, again=True)]
    first.release([event(1)])
    assert second.take([event(1, again=True)]).ours == [event(1, again=True)]


def test_a_lease_that_ran_out_is_lost(
    database: Database, effects: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Leases(database), Leases(database)
    monkeypatch.setattr(lease_module, "SECONDS", 0)
    first.take([event(1)])
    assert second.take([event(1, again=True)]).ours
    with pytest.raises(LeaseLost):
        add_and_complete(database, first)
    assert effects() == []
    first.finish([event(1)], [])
    first.release([event(1)])
    add_and_complete(database, second)
    assert effects() == [1]
    assert first.take([event(1, again=True)]).done


def test_a_lease_is_renewed_as_long_as_it_is_held(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "SECONDS_BETWEEN_RENEWALS", 0.01)
    first, second = Leases(database), Leases(database)
    monkeypatch.setattr(lease_module, "SECONDS", 0)
    first.take([event(1)])
    ended = ends_at(database) + 30
    monkeypatch.setattr(lease_module, "SECONDS", 60)
    until(lambda: ends_at(database) > ended)
    assert second.take([event(1, again=True)]).held
    first.finish([event(1)], [])
    until(lambda: first._renewing is None)  # nobody else sees it


def add_and_complete(database: Database, leases: Leases) -> None:
    """The effect of event 1."""
    with database.begin() as connection:
        connection.execute(EFFECTS.insert().values(number=1))
        leases.complete(connection, [event(1)], [])


def ends_at(database: Database) -> int:
    """Until when the only lease lasts."""
    name = "zops.leases" if database.dialect == "postgresql" else "zops_leases"
    with database.read() as connection:
        return int(connection.exec_driver_sql(f"SELECT until FROM {name}").scalar_one())  # noqa: S608 # no secret


def test_of_a_process_that_ended_is_known_at_once(tmp_path: Path) -> None:
    assert not has_ended(new_owner())
    code = "from zops_queue.processing.lease_owners import new_owner; print(new_owner())"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    said, _ = process.communicate(timeout=30)
    assert has_ended(said.strip())
    boot, rest = said.strip().split(" ", 1)
    assert not has_ended(f"{boot}-another {rest}")  # another machine may have such a process
    assert not has_ended("nobody")


RACER = """
import random, sys
import sqlalchemy as sa
from tests.zops_queue.test_leases import EFFECTS, event
from zcore.database import Database, parse_url
from zops_queue.processing.leases import Leases

database = Database(parse_url(sys.argv[1]))
leases = Leases(database)
left = set(range(200))
print("begun", flush=True)
while left:
    chosen = random.sample(sorted(left), min(5, len(left)))
    taken = leases.take([event(number, again=True) for number in chosen])
    left -= {each.tag for each, _ in taken.done}
    if taken.ours:
        with database.begin() as connection:
            numbers = [{"number": each.tag} for each in taken.ours]
            connection.execute(EFFECTS.insert(), numbers)
            leases.complete(connection, taken.ours, [])
        leases.finish(taken.ours, [])
"""


def test_processes_that_race_and_are_killed_have_each_effect_once(
    database: Database, effects: Callable[[], list[int]]
) -> None:
    url = database.url.render_as_string(hide_password=False)
    chance = random.Random(1)  # noqa: S311 # no secret

    def start() -> subprocess.Popen[str]:
        racer = subprocess.Popen(
            [sys.executable, "-c", RACER, url], stdout=subprocess.PIPE, text=True
        )
        assert racer.stdout is not None
        assert racer.stdout.readline() == "begun\n"
        return racer

    racers = [start(), start()]
    for _ in range(3):
        at_least = len(effects()) + chance.randrange(1, 30)
        until(lambda least=at_least: len(effects()) >= min(least, 200), 60)  # type: ignore[misc]
        racers[0].kill()
        racers.pop(0).communicate()
        racers.append(start())
    for racer in racers:
        racer.communicate(timeout=60)
        assert racer.returncode == 0
    assert effects() == list(range(200))


class Adder:
    """A worker that writes a number for each event, and can be held up before it does."""

    def __init__(self, queue: str) -> None:
        self.loaded = LoadedWorker(queue, 1, self.handle, lease=True)
        self.begun = threading.Event()
        self.may_go_on = threading.Event()

    def handle(self, events: Sequence[Event], context: WorkContext) -> None:
        self.begun.set()
        assert self.may_go_on.wait(30)
        with context.database.begin() as connection:
            rows = [{"number": event.payload["n"]} for event in events]
            connection.execute(EFFECTS.insert(), rows)
            context.complete(connection, events)


@pytest.mark.rabbitmq
def test_an_event_that_comes_again_while_it_is_worked_on_is_not_begun_again(
    rabbitmq_url: str, queue: str, database: Database, effects: Callable[[], list[int]]
) -> None:
    """As RabbitMQ does it when an event has been in hand for half an hour."""
    parts = urlsplit(rabbitmq_url)
    proxy = Proxy(parts.hostname or "", parts.port or 0)
    near = rabbitmq_url.replace(f":{parts.port}/", f":{proxy.port}/")
    broker = AmqpBroker(rabbitmq_url)
    broker.publish(queue, [b'{"n":1}'])
    slow, quick = Adder(queue), Adder(queue)
    quick.may_go_on.set()
    places = [
        workplace(lambda: AmqpBroker(near), options=Options(), open_database=lambda: database),
        workplace(lambda: AmqpBroker(rabbitmq_url), open_database=lambda: database),
    ]
    first = threading.Thread(target=run, args=([slow.loaded], places[0]))
    first.start()
    assert slow.begun.wait(30)
    proxy.cut()  # the event goes back, and to the second one
    tallies: list[Tally] = []
    second = threading.Thread(target=lambda: tallies.append(run([quick.loaded], places[1])))
    second.start()
    until(lambda: (state := broker.state(queue)) and state.delayed)
    assert not quick.begun.is_set()
    slow.may_go_on.set()
    second.join(30)
    assert tallies == [Tally(repeated=1)]
    assert effects() == [1]
    places[0].stop.set()
    first.join(30)
    proxy.close()
    broker.close()


def test_with_a_lease_an_effect_is_had_once(
    connect: Connect,
    broker: Broker,
    queue: str,
    sqlite_database: Database,
) -> None:
    with sqlite_database.begin() as connection:
        EFFECTS.create(connection)
    broker.publish(queue, [b'{"n":%d}' % number for number in range(20)])
    adder = Adder(queue)
    adder.may_go_on.set()
    handle, fails = adder.handle, [True, False]

    def fail_at_first(events: Sequence[Event], context: WorkContext) -> None:
        if fails.pop() if fails else False:
            raise ValueError("not yet")
        handle(events, context)

    worker = LoadedWorker(queue, 5, fail_at_first, lease=True)
    tally = run([worker], workplace(connect, open_database=lambda: sqlite_database))
    assert tally == Tally(processed=20)
    with sqlite_database.read() as connection:
        found = connection.execute(sa.select(EFFECTS.c.number)).scalars()
        assert sorted(found) == list(range(20))


def test_what_was_to_be_published_is_published_by_whoever_comes_next(
    tmp_path: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_broker() -> EmbeddedBroker:
        return EmbeddedBroker(tmp_path / "queue.db")

    broker = open_broker()
    broker.publish("q", [b'{"n":1}'])

    def publish(events: Sequence[Event], context: WorkContext) -> None:
        context.publish("next", {"after": 1})

    def killed(self: EmbeddedBroker, queue: str, bodies: object) -> int:
        raise KeyboardInterrupt

    worker = LoadedWorker("q", 1, publish, lease=True)

    def work() -> Tally:
        return run([worker], workplace(open_broker, open_database=lambda: sqlite_database))

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedBroker, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            work()
    assert work() == Tally(repeated=1)
    assert [each.body for each in broker.peek("next", 9)] == [b'{"after":1}']
    broker.close()
