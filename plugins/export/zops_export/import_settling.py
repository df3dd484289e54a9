"""The stage of an import that settles what depends on this server and on the moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.organizations.inserts import insert_rows
from zcore.schema import tables
from zops_export.selection import CHANNEL

if TYPE_CHECKING:
    from zops_export.import_job import ImportJob

DAYS_OF_RECENT_ACTIVITY = 180
SEARCH_LOG = "fts_update_log"

channels, messages, recipients, presence, seen = (
    tables[name]
    for name in (
        "zerver_stream",
        "zerver_message",
        "zerver_recipient",
        "zerver_presencesequence",
        "zerver_userpresence",
    )
)


def settle(job: ImportJob) -> dict[str, int]:
    """Mark quiet channels, count presence, and have messages put into the full-text search."""
    connection = job.writer.connection
    quiet = 0 if job.index.realm.get("deactivated") else _mark_quiet(connection, job.realm_id)
    _count_presence_on(connection, job.realm_id)
    return {"rows": quiet + _queue_for_search(connection, job.realm_id)}


def _mark_quiet(connection: sa.Connection, realm_id: int) -> int:
    """Channels in which nothing was said for long are shown apart. No other mark is ever set."""
    since = datetime.now(UTC) - timedelta(days=DAYS_OF_RECENT_ACTIVITY)
    spoken_in = (
        sa.select(recipients.c.type_id)
        .join(messages, messages.c.recipient_id == recipients.c.id)
        .where(
            recipients.c.type == CHANNEL,
            messages.c.realm_id == realm_id,
            messages.c.date_sent >= since,
        )
    )
    marked = connection.execute(
        sa.update(channels)
        .where(
            channels.c.realm_id == realm_id,
            channels.c.is_recently_active,
            channels.c.id.not_in(spoken_in),
        )
        .values(is_recently_active=False)
    )
    return marked.rowcount


def _count_presence_on(connection: sa.Connection, realm_id: int) -> None:
    """From the highest number that a presence has: exports of older servers have none to go on."""
    mine = sa.select(sa.func.coalesce(sa.func.max(seen.c.last_update_id), 0))
    highest = connection.execute(mine.where(seen.c.realm_id == realm_id)).scalar_one()
    there = sa.select(presence.c.last_update_id).where(presence.c.realm_id == realm_id)
    counted = connection.execute(there).scalar()
    if counted is None:
        insert_rows(connection, presence, [{"realm_id": realm_id, "last_update_id": highest}])
    elif counted < highest:
        connection.execute(
            sa.update(presence)
            .where(presence.c.realm_id == realm_id)
            .values(last_update_id=highest)
        )


def _queue_for_search(connection: sa.Connection, realm_id: int) -> int:
    """List the messages for the server's indexer, where no trigger has done that."""
    if connection.dialect.name == "sqlite" or not sa.inspect(connection).has_table(SEARCH_LOG):
        return 0
    if connection.execute(sa.text(HAS_TRIGGER)).scalar_one():
        return 0
    log = tables[SEARCH_LOG]
    mine = sa.select(messages.c.id).where(messages.c.realm_id == realm_id)
    listed = connection.execute(sa.insert(log).from_select(["message_id"], mine.order_by("id")))
    connection.execute(sa.select(sa.func.pg_notify(SEARCH_LOG, "")))  # what the indexer waits for
    return listed.rowcount


HAS_TRIGGER = f"""
SELECT EXISTS (
    SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE tgrelid = CAST('zerver_message' AS regclass)
    AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND prosrc LIKE '%{SEARCH_LOG}%'
)
"""  # noqa: S608  # the name is ours
