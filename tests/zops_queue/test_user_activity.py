"""Queue `user_activity`: its effect on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zops_queue.worker_events import event, people, work_context
from zcore.schema.activity import zerver_client, zerver_useractivity
from zops_queue.workers.fields import LATEST_TIME
from zops_queue.workers.user_activity import handle, read

if TYPE_CHECKING:
    from zcore.broker import Event, WorkContext
    from zcore.database import Database

NOBODY = 999_999


@pytest.fixture
def users(database: Database) -> list[int]:
    return people(database)


@pytest.fixture
def clients(database: Database, users: list[int]) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(sa.select(zerver_client.c.id).limit(2)).scalars())


@pytest.fixture
def context(database: Database) -> WorkContext:
    return work_context(database)


def request(user: object, client: object, query: object, time: object) -> Event:
    return event(user_profile_id=user, client_id=client, query=query, time=time)


def rows(database: Database) -> set[tuple[int, int, str, int, datetime]]:
    table = zerver_useractivity.c
    columns = (table.user_profile_id, table.client_id, table.query, table.count, table.last_visit)
    with database.read() as connection:
        return {tuple(row) for row in connection.execute(sa.select(*columns))}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_requests_are_counted_by_user_client_and_query(
    database: Database, context: WorkContext, users: list[int], clients: list[int]
) -> None:
    (ann, bob), (web, mobile) = users[:2], clients
    batch = [
        request(ann, web, "get_events", 1_700_000_050),
        request(ann, web, "get_events", 1_700_000_099),
        request(ann, web, "get_events", 1_700_000_001),
        request(ann, web, "send_message", 1_700_000_002),
        request(ann, mobile, "get_events", 1_700_000_003),
        request(bob, web, "get_events", 1_700_000_004),
    ]
    assert handle(batch, context) == []
    assert rows(database) == {
        (ann, web, "get_events", 3, at(1_700_000_099)),
        (ann, web, "send_message", 1, at(1_700_000_002)),
        (ann, mobile, "get_events", 1, at(1_700_000_003)),
        (bob, web, "get_events", 1, at(1_700_000_004)),
    }


def test_counts_are_added_to_rows_that_are_there_and_the_later_time_stays(
    database: Database, context: WorkContext, users: list[int], clients: list[int]
) -> None:
    ann, web = users[0], clients[0]
    handle([request(ann, web, "q", 2_000), request(ann, web, "r", 2_000)], context)
    handle([request(ann, web, "q", 1_000), request(ann, web, "q", 1_001)], context)
    handle([request(ann, web, "r", 3_000)], context)
    assert rows(database) == {(ann, web, "q", 3, at(2_000)), (ann, web, "r", 2, at(3_000))}


def test_events_of_strangers_are_rejected_and_the_others_counted(
    database: Database, context: WorkContext, users: list[int], clients: list[int]
) -> None:
    ann, web = users[0], clients[0]
    batch = [
        request(ann, web, "q", 1_000),
        request(NOBODY, web, "q", 1_000),
        request(ann, NOBODY, "q", 1_000),
        request(ann, web, "q", 1_001),
    ]
    rejected = handle(batch, context)
    assert [(each.event, each.reason) for each in rejected] == [
        (batch[1], f"no user {NOBODY}"),
        (batch[2], f"no client {NOBODY}"),
    ]
    assert rows(database) == {(ann, web, "q", 2, at(1_001))}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"query": "x" * 51}, "query has 51 characters, more than 50"),
        ({"query": 7}, "query is not a text"),
        ({"query": "a\0b"}, "query holds a NUL character"),
        ({"time": "1000"}, "time is not a whole number"),
        ({"time": 10**15}, "time is out of range"),
        ({"time": -1}, "time is out of range"),
        ({"user_profile_id": True}, "user_profile_id is not a whole number"),
        ({"user_profile_id": 2**31}, "user_profile_id is out of range"),
        ({"client_id": None}, "client_id is not a whole number"),
    ],
)
def test_events_that_do_not_fit_are_rejected(fields: dict[str, object], reason: str) -> None:
    good = request(1, 1, "ü" * 50, 1_000)
    bad = event(**{**good.payload, **fields})
    requests, rejected = read([good, bad])
    assert [each.event for each in requests] == [good]
    assert [(each.event, each.reason) for each in rejected] == [(bad, reason)]


def test_an_event_without_a_field_is_rejected() -> None:
    _, (rejected,) = read([event(user_profile_id=1, client_id=1, time=1)])
    assert rejected.reason == "there is no query"


def test_a_batch_with_events_that_do_not_fit_is_counted_all_the_same(
    database: Database, context: WorkContext, users: list[int], clients: list[int]
) -> None:
    ann, web = users[0], clients[0]
    batch = [request(ann, web, "x" * 51, 1_000), request(ann, web, "ü" * 50, LATEST_TIME)]
    assert [each.event for each in handle(batch, context)] == batch[:1]
    assert rows(database) == {(ann, web, "ü" * 50, 1, at(LATEST_TIME))}
    assert len(handle(batch[:1], context)) == 1  # nothing is left to write
