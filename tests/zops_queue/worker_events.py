"""Events for workers, and what they need around them, in the tests."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import sqlalchemy as sa

from zcore.broker import Event, WorkContext, utc_now
from zcore.internal_realm import ensure_internal_realm
from zcore.schema.users import zerver_userprofile
from zcore.settings import Settings

if TYPE_CHECKING:
    from zcore.database import Database

tags = itertools.count(1)


def event(**payload: object) -> Event:
    """An event as it comes from a queue."""
    return Event(queue="q", body=json.dumps(payload).encode(), tag=next(tags), payload=payload)


def people(database: Database) -> list[int]:
    """The ids of some users in the database: bots, because those are made first."""
    with database.begin() as connection:
        ensure_internal_realm(connection)
        found = connection.execute(sa.select(zerver_userprofile.c.id).order_by("id").limit(3))
        return list(found.scalars())


def work_context(database: Database) -> WorkContext:
    """What a worker gets, with a database and nothing to publish to."""
    settings = Settings.load({}, {"ZOPS_HOME": "/nonexistent"}, Path("/"))
    return WorkContext(settings, _publish_nothing, utc_now, lambda: database)


def _publish_nothing(queue: str, payload: object) -> NoReturn:
    raise AssertionError(f"nothing was to be published, least of all to {queue}: {payload}")
