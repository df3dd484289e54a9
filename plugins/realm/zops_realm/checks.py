"""What `zops doctor` looks at in the database; nothing here writes or creates anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import CheckResult, Context, ZopsError
from zcore.schema import SERVER_VERSION
from zcore.schema.realms import zerver_realm
from zcore.schema.server import django_migrations

if TYPE_CHECKING:
    from zcore.database import Database

NEWEST_MIGRATION = "0696_rename_no_topic_to_empty_string_topic"
NO_DATABASE = CheckResult("skipped", "there is no database that can be looked at")


def schema_version(context: Context) -> CheckResult:
    """Are the tables those of the server version that zops is made for?"""
    database = _database_if_there(context)
    if database is None:
        return NO_DATABASE
    newest = newest_migration(database)
    if newest is None:
        return CheckResult("ok", f"tables made by zops, as in Zulip {SERVER_VERSION}")
    if newest == NEWEST_MIGRATION:
        return CheckResult("ok", f"tables of a Zulip server {SERVER_VERSION}")
    return CheckResult(
        "warning",
        f"the newest migration of the database is {newest}, zops is made for {NEWEST_MIGRATION}",
        hint=f"use zops with a Zulip server {SERVER_VERSION}, and try it on a copy first",
    )


def realms(context: Context) -> CheckResult:
    """How many organizations are there?"""
    database = _database_if_there(context)
    if database is None:
        return NO_DATABASE
    counted = sa.select(sa.func.count()).select_from(zerver_realm)
    with database.read() as connection:
        total = connection.scalar(counted) or 0
        deactivated = connection.scalar(counted.where(zerver_realm.c.deactivated)) or 0
    if total == 0:
        return CheckResult("ok", "no organizations yet; 'zops create-realm' makes the first")
    return CheckResult("ok", f"{total} (the server's internal one included), {deactivated} off")


def _database_if_there(context: Context) -> Database | None:
    """None when it cannot be used: the core's own check says why."""
    try:
        return context.database
    except ZopsError:
        return None


def newest_migration(database: Database) -> str | None:
    """The last migration of Zulip's own tables; None where no server keeps a list of them."""
    migrations = django_migrations.c
    newest = sa.select(sa.func.max(migrations.name)).where(migrations.app == "zerver")
    with database.read() as connection:
        name: str | None = connection.scalar(newest)
    return name
