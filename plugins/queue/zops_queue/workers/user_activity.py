"""Queue `user_activity`: how often, and when last, each user made each request from each client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from zcore.broker import Event, Rejected
from zcore.errors import Failed
from zcore.schema.activity import zerver_client, zerver_useractivity
from zcore.schema.users import zerver_userprofile
from zops_queue.workers.fields import BadField, id_field, text_field, time_field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from zcore.broker import WorkContext
    from zcore.database import Database

LONGEST_QUERY = 50
COLUMNS = ("user_profile_id", "client_id", "query", "count", "last_visit")


class Key(NamedTuple):
    """What a row of `zerver_useractivity` is about."""

    user_profile_id: int
    client_id: int
    query: str


@dataclass(frozen=True, slots=True)
class Request:
    """One event, read."""

    event: Event
    key: Key
    time: datetime


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Add the requests to their rows, all in one transaction.

    Rejected are events that do not fit, and those of a user or client that does not exist.
    """
    requests, rejected = read(events)
    try:
        upsert(context.database, requests)
    except Failed as error:
        if error.code != "integrity":
            raise
        requests, strangers = without_strangers(context.database, requests)
        rejected += strangers
        upsert(context.database, requests)
    return rejected


def read(events: Iterable[Event]) -> tuple[list[Request], list[Rejected]]:
    """The requests in `events`, and the events that are none."""
    requests, rejected = [], []
    for event in events:
        try:
            requests.append(_request(event))
        except BadField as problem:
            rejected.append(Rejected(event, str(problem)))
    return requests, rejected


def merge(requests: Iterable[Request]) -> list[dict[str, object]]:
    """One row for each key: how many requests, and the time of the last.

    In the order of the keys, so that two workers never wait for each other in a circle.
    """
    counts: dict[Key, int] = {}
    latest: dict[Key, datetime] = {}
    for request in requests:
        counts[request.key] = counts.get(request.key, 0) + 1
        latest[request.key] = max(latest.get(request.key, request.time), request.time)
    return [
        {**key._asdict(), "count": counts[key], "last_visit": latest[key]} for key in sorted(counts)
    ]


def upsert(database: Database, requests: Iterable[Request]) -> None:
    """Add the counts to the rows that are there, keep the later time, insert the others."""
    rows = merge(requests)
    if not rows:
        return
    with database.begin() as connection:
        if database.dialect == "sqlite":
            connection.execute(_upsert_rows(), rows)
        else:
            connection.execute(_upsert_arrays(), columns_of(rows))


def columns_of(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """The same rows as one list for each column."""
    return {name: [row[name] for row in rows] for name in COLUMNS}


def without_strangers(
    database: Database, requests: Sequence[Request]
) -> tuple[list[Request], list[Rejected]]:
    """The requests of users and clients that exist, and the others as rejected."""
    with database.read() as connection:
        users = existing(
            connection, zerver_userprofile, {each.key.user_profile_id for each in requests}
        )
        clients = existing(connection, zerver_client, {each.key.client_id for each in requests})
    known, rejected = [], []
    for request in requests:
        if request.key.user_profile_id not in users:
            rejected.append(Rejected(request.event, f"no user {request.key.user_profile_id}"))
        elif request.key.client_id not in clients:
            rejected.append(Rejected(request.event, f"no client {request.key.client_id}"))
        else:
            known.append(request)
    return known, rejected


def _request(event: Event) -> Request:
    payload: Mapping[str, object] = event.payload
    key = Key(
        id_field(payload, "user_profile_id"),
        id_field(payload, "client_id"),
        text_field(payload, "query", LONGEST_QUERY),
    )
    return Request(event, key, time_field(payload, "time"))


def _upsert_rows() -> sa.Insert:
    """For SQLite, which takes row after row without a network between."""
    return _adding(sqlite.insert(zerver_useractivity), greatest=sa.func.max)


def _upsert_arrays() -> sa.Insert:
    """For PostgreSQL: one statement with an array for each column, whatever the number of rows."""
    columns = [zerver_useractivity.c[name] for name in COLUMNS]
    arrays = [
        sa.func.unnest(sa.bindparam(column.name, type_=postgresql.ARRAY(column.type)))
        for column in columns
    ]
    insert = postgresql.insert(zerver_useractivity).from_select(columns, sa.select(*arrays))
    return _adding(insert, greatest=sa.func.greatest)


def _adding(
    insert: sqlite.Insert | postgresql.Insert, greatest: Callable[..., sa.Function[datetime]]
) -> sa.Insert:
    old, new = zerver_useractivity.c, insert.excluded
    return insert.on_conflict_do_update(
        index_elements=list(Key._fields),
        set_={
            "count": old.count + new.count,
            "last_visit": greatest(old.last_visit, new.last_visit),
        },
    )


def existing(connection: sa.Connection, table: sa.Table, ids: set[int]) -> set[int]:
    """Which of `ids` are in `table`."""
    found = connection.execute(sa.select(table.c.id).where(table.c.id.in_(ids)))
    return set(found.scalars())
