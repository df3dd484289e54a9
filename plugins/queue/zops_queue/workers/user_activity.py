"""Queue `user_activity`: how often, and when last, each user made each request from each client."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from zcore.broker import Event, Rejected
from zcore.errors import Failed
from zcore.schema.activity import zerver_client, zerver_useractivity
from zcore.schema.users import zerver_userprofile
from zops_queue.workers.fields import (
    LARGEST_ID,
    LATEST_TIME,
    BadField,
    id_field,
    text_field,
    time_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zcore.broker import WorkContext
    from zcore.database import Database

LONGEST_QUERY = 50
COLUMNS = ("user_profile_id", "client_id", "query", "count", "last_visit")


class Key(NamedTuple):
    """What a row of `zerver_useractivity` is about."""

    user_profile_id: int
    client_id: int
    query: str


class Request(NamedTuple):
    """One event, read; `time` is in seconds since 1970."""

    event: Event
    key: Key
    time: int


class Row(msgspec.Struct, frozen=True):
    """What is added to a row: `count` requests, the last of them at `time`."""

    user_profile_id: int
    client_id: int
    query: str
    count: int
    time: int


class _Fields(msgspec.Struct):
    """An event as a server writes it: checked in one go, since there are many."""

    user_profile_id: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]
    client_id: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_ID)]
    query: Annotated[str, msgspec.Meta(max_length=LONGEST_QUERY)]
    time: Annotated[int, msgspec.Meta(ge=0, le=LATEST_TIME)]


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


def merge(requests: Iterable[Request]) -> list[Row]:
    """One row for each key: how many requests, and the time of the last.

    In the order of the keys, so that two workers never wait for each other in a circle.
    """
    counts: dict[Key, int] = {}
    latest: dict[Key, int] = {}
    for _, key, time in requests:
        counts[key] = counts.get(key, 0) + 1
        if time >= latest.get(key, 0):
            latest[key] = time
    return [Row(*key, counts[key], latest[key]) for key in sorted(counts)]


def upsert(database: Database, requests: Iterable[Request]) -> None:
    """Add the counts to the rows that are there, keep the later time, insert the others."""
    rows = merge(requests)
    if not rows:
        return
    with database.begin() as connection:
        if database.dialect == "sqlite":
            connection.execute(_upsert_rows(), [_values(row) for row in rows])
        else:
            connection.execute(_upsert_json(), {"rows": msgspec.json.encode(rows).decode()})


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
    try:
        fields = msgspec.convert(event.payload, _Fields)
    except msgspec.ValidationError:
        return _look_closer(event)
    if "\0" in fields.query:
        return _look_closer(event)
    key = Key(fields.user_profile_id, fields.client_id, fields.query)
    return Request(event, key, fields.time)


def _look_closer(event: Event) -> Request:
    """The request in an event that seems to be none; or `BadField`, which says what is wrong."""
    payload = event.payload
    key = Key(
        id_field(payload, "user_profile_id"),
        id_field(payload, "client_id"),
        text_field(payload, "query", LONGEST_QUERY),
    )
    return Request(event, key, int(time_field(payload, "time").timestamp()))


def _values(row: Row) -> dict[str, object]:
    return {
        "user_profile_id": row.user_profile_id,
        "client_id": row.client_id,
        "query": row.query,
        "count": row.count,
        "last_visit": datetime.fromtimestamp(row.time, UTC),
    }


@cache
def _upsert_rows() -> sa.Insert:
    """For SQLite, which takes row after row without a network between."""
    return _adding(sqlite.insert(zerver_useractivity), greatest=sa.func.max)


@cache
def _upsert_json() -> sa.Insert:
    """For PostgreSQL: one statement with all rows in one text, whatever their number."""
    given = (
        sa.func.json_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text), postgresql.JSON))
        .table_valued(
            sa.column("user_profile_id", sa.Integer),
            sa.column("client_id", sa.Integer),
            sa.column("query", sa.Text),
            sa.column("count", sa.Integer),
            sa.column("time", sa.BigInteger),
            name="given",
        )
        .render_derived(with_types=True)
    )
    rows = sa.select(*given.c[:4], sa.func.to_timestamp(given.c.time))
    return _adding(
        postgresql.insert(zerver_useractivity).from_select(COLUMNS, rows), sa.func.greatest
    )


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
