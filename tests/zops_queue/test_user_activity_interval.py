"""Queue `user_activity_interval`: its effect on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.zops_queue.worker_events import event, people, work_context
from zcore.schema.activity import zerver_useractivityinterval
from zops_queue.workers.user_activity_interval import Interval, follow, handle, read

if TYPE_CHECKING:
    from zcore.broker import Event, WorkContext
    from zcore.database import Database

LENGTH = 15 * 60
NOBODY = 999_999


@pytest.fixture
def users(database: Database) -> list[int]:
    return people(database)


@pytest.fixture
def context(database: Database) -> WorkContext:
    return work_context(database)


def sign(user: int, time: int) -> Event:
    return event(user_profile_id=user, time=time)


def intervals(database: Database, user: int) -> list[tuple[int, int]]:
    table = zerver_useractivityinterval.c
    mine = sa.select(table.start, table.end).where(table.user_profile_id == user)
    with database.read() as connection:
        rows = connection.execute(mine.order_by(table.start)).all()
    return [(int(start.timestamp()), int(end.timestamp())) for start, end in rows]


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([1000], [(1000, 1000 + LENGTH)]),
        ([1000, 1300], [(1000, 1300 + LENGTH)]),
        ([1000, 1000 + LENGTH], [(1000, 1000 + 2 * LENGTH)]),
        (
            [1000, 1001 + LENGTH],
            [(1000, 1000 + LENGTH), (1001 + LENGTH, 1001 + 2 * LENGTH)],
        ),
        ([1000, 500], [(500, 1000 + LENGTH)]),
        ([9000, 1000], [(1000, 1000 + LENGTH), (9000, 9000 + LENGTH)]),
        # only the interval that ends last is looked at
        (
            [9000, 1000, 1100],
            [(1000, 1000 + LENGTH), (1100, 1100 + LENGTH), (9000, 9000 + LENGTH)],
        ),
    ],
    ids=["new", "overlap", "touch", "gap", "earlier", "late news", "late news again"],
)
def test_signs_widen_the_last_interval_or_begin_a_new_one(
    times: list[int], expected: list[tuple[int, int]], together: bool
) -> None:
    table: dict[int, Interval] = {}
    for batch in [times] if together else [[time] for time in times]:
        signs, _ = read(sign(1, time) for time in batch)
        last = max(table.values(), key=lambda interval: interval.end, default=None)
        latest = {} if last is None else {1: replace(last, changed=False)}
        for number, interval in enumerate(follow(signs, latest), start=len(table)):
            key = number if interval.id is None else interval.id
            table[key] = replace(interval, id=key)
    found = [(each.start.timestamp(), each.end.timestamp()) for each in table.values()]
    assert sorted(found) == expected


def test_intervals_are_kept_in_the_database(
    database: Database, context: WorkContext, users: list[int]
) -> None:
    ann = users[0]
    for times in ([1000], [1300, 5000], [5100, 900], [20_000, 700]):
        assert handle([sign(ann, time) for time in times], context) == []
    assert intervals(database, ann) == [
        (700, 700 + LENGTH),
        (900, 900 + LENGTH),
        (1000, 1300 + LENGTH),
        (5000, 5100 + LENGTH),
        (20_000, 20_000 + LENGTH),
    ]


def test_users_are_kept_apart_and_strangers_rejected(
    database: Database, context: WorkContext, users: list[int]
) -> None:
    batch = [
        sign(users[0], 1000),
        sign(NOBODY, 1000),
        sign(users[1], 5000),
        event(user_profile_id=users[0], time="soon"),
        sign(users[0], 1200),
    ]
    rejected = handle(batch, context)
    assert {(each.event.tag, each.reason) for each in rejected} == {
        (batch[1].tag, f"no user {NOBODY}"),
        (batch[3].tag, "time is not a whole number"),
    }
    assert intervals(database, users[0]) == [(1000, 1200 + LENGTH)]
    assert intervals(database, users[1]) == [(5000, 5000 + LENGTH)]


def test_workers_side_by_side_make_no_overlaps(
    database: Database, context: WorkContext, users: list[int]
) -> None:
    def work(offset: int) -> None:
        for step in range(10):
            handle([sign(user, 1000 + offset + 30 * step) for user in users], context)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for user in users:
        assert intervals(database, user) == [(1000, 1000 + 3 + 270 + LENGTH)]
