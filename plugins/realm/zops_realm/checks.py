"""What `zops doctor` looks at in the database; nothing here writes or creates anything."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from zcore import CheckResult, Context
from zcore.schema import SERVER_VERSION
from zcore.schema.realms import zerver_realm

NEWEST_MIGRATION = "0696_rename_no_topic_to_empty_string_topic"


def schema_version(context: Context) -> CheckResult:
    """Are the tables those of the server version that zops is made for?"""
    if _not_made_yet(context):
        return CheckResult("skipped", "there is no database yet; the first command makes it")
    newest = _newest_migration(context)
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
    if _not_made_yet(context):
        return CheckResult("skipped", "there is no database yet; the first command makes it")
    counted = sa.select(sa.func.count()).select_from(zerver_realm)
    with context.database.read() as connection:
        total = connection.scalar(counted) or 0
        deactivated = connection.scalar(counted.where(zerver_realm.c.deactivated)) or 0
    if total == 0:
        return CheckResult("ok", "no organizations yet; 'zops create-realm' makes the first")
    return CheckResult("ok", f"{total} (the server's internal one included), {deactivated} off")


def _not_made_yet(context: Context) -> bool:
    """The default database, which only the first command makes: looking must not make it."""
    url = sa.make_url(context.settings.database_url)
    return (
        context.settings.is_default("database")
        and url.database is not None
        and not Path(url.database).exists()
    )


def _newest_migration(context: Context) -> str | None:
    """The last migration of Zulip's own tables; None where no server keeps a list of them."""
    from zcore.schema.server import django_migrations

    migrations = django_migrations.c
    newest = sa.select(sa.func.max(migrations.name)).where(migrations.app == "zerver")
    with context.database.read() as connection:
        name: str | None = connection.scalar(newest)
    return name
