"""Queue `user_activity_interval`: from when to when each user was active."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.broker import Event, Rejected
from zcore.schema.activity import zerver_useractivityinterval
from zcore.schema.users import zerver_userprofile
from zops_queue.workers.fields import BadField, id_field, time_field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from zcore.broker import WorkContext

LENGTH = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Sign:
    """One event, read: a user was there at `time`."""

    event: Event
    user_id: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Interval:
    """A row of `zerver_useractivityinterval`; `id` is None while it is not in the database."""

    id: int | None
    user_id: int
    start: datetime
    end: datetime
    changed: bool = True

    def widened(self, start: datetime, end: datetime) -> Interval:
        """With room for `start` to `end` too."""
        return replace(self, start=min(self.start, start), end=max(self.end, end), changed=True)


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Widen the latest interval of each user, or begin a new one; all in one transaction.

    Rejected are events that do not fit, and those of a user who does not exist.
    """
    signs, rejected = read(events)
    with context.database.begin() as connection:
        users = lock_users(connection, {sign.user_id for sign in signs})
        latest = latest_intervals(connection, users)
        changed = follow((sign for sign in signs if sign.user_id in users), latest)
        write(connection, changed)
    rejected += [
        Rejected(sign.event, f"no user {sign.user_id}")
        for sign in signs
        if sign.user_id not in users
    ]
    return rejected


def read(events: Iterable[Event]) -> tuple[list[Sign], list[Rejected]]:
    """The signs of activity in `events`, and the events that are none."""
    signs, rejected = [], []
    for event in events:
        try:
            user_id = id_field(event.payload, "user_profile_id")
            signs.append(Sign(event, user_id, time_field(event.payload, "time")))
        except BadField as problem:
            rejected.append(Rejected(event, str(problem)))
    return signs, rejected


def follow(signs: Iterable[Sign], latest: dict[int, Interval]) -> list[Interval]:
    """What becomes of the intervals when `signs` come one after the other.

    `latest` has the interval with the last end of each user. Returns the ones to be written.
    """
    finished = []
    for sign in signs:
        end = sign.time + LENGTH
        last = latest.get(sign.user_id)
        if last is not None and sign.time <= last.end and end >= last.start:
            latest[sign.user_id] = last.widened(sign.time, end)
            continue
        new = Interval(None, sign.user_id, sign.time, end)
        if last is None:
            latest[sign.user_id] = new
            continue
        earlier, later = sorted((last, new), key=lambda interval: interval.end)
        finished.append(earlier)
        latest[sign.user_id] = later
    return [interval for interval in [*finished, *latest.values()] if interval.changed]


def lock_users(connection: sa.Connection, ids: Collection[int]) -> set[int]:
    """Which of `ids` exist. Nobody else adds to their intervals until the transaction ends.

    Locked in the order of ids, so that two workers never wait for each other in a circle.
    """
    column = zerver_userprofile.c.id
    locked = sa.select(column).where(column.in_(ids)).order_by(column)
    return set(connection.execute(locked.with_for_update(key_share=True)).scalars())


def latest_intervals(connection: sa.Connection, users: Collection[int]) -> dict[int, Interval]:
    """For each of `users`, the interval that ends last."""
    table = zerver_useractivityinterval
    rank = sa.func.row_number().over(
        partition_by=table.c.user_profile_id, order_by=(table.c.end.desc(), table.c.id.desc())
    )
    ranked = (
        sa.select(table.c.id, table.c.user_profile_id, table.c.start, table.c.end, rank.label("n"))
        .where(table.c.user_profile_id.in_(users))
        .subquery()
    )
    rows = connection.execute(sa.select(ranked).where(ranked.c.n == 1))
    return {
        row.user_profile_id: Interval(
            row.id, row.user_profile_id, row.start, row.end, changed=False
        )
        for row in rows
    }


def write(connection: sa.Connection, intervals: Sequence[Interval]) -> None:
    """Insert the new ones, update the others."""
    table = zerver_useractivityinterval
    new = [
        {"user_profile_id": each.user_id, "start": each.start, "end": each.end}
        for each in intervals
        if each.id is None
    ]
    widened = [
        {"row": each.id, "new_start": each.start, "new_end": each.end}
        for each in intervals
        if each.id is not None
    ]
    if new:
        connection.execute(table.insert(), new)
    if widened:
        widen = table.update().where(table.c.id == sa.bindparam("row"))
        widen = widen.values(start=sa.bindparam("new_start"), end=sa.bindparam("new_end"))
        connection.execute(widen, widened)
