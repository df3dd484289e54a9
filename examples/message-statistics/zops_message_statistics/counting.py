"""The query, and its CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from zcore.schema.channels import zerver_stream
from zcore.schema.messages import zerver_message


class Count(NamedTuple):
    """How many messages a channel had on a day."""

    day: str
    channel: str
    messages: int


def count_messages(
    connection: sa.Connection, realm_id: int, day: date | None = None
) -> Iterable[Count]:
    """The public channels of an organization with messages, on each day (UTC), or on one."""
    query = _counts(realm_id)
    if day is not None:
        begin = datetime.combine(day, time(), UTC)
        sent = zerver_message.c.date_sent
        query = query.where(sent >= begin, sent < begin + timedelta(days=1))
    return (Count(*row) for row in connection.execute(query))


def as_csv(counts: Iterable[Count]) -> tuple[bytes, int]:
    """The counts as CSV in UTF-8 with a first line of names; and how many there are."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Count._fields)
    rows = 0
    for rows, count in enumerate(counts, start=1):  # noqa: B007 # the last one is how many
        writer.writerow(count)
    return text.getvalue().encode(), rows


def _counts(realm_id: int) -> sa.Select[str, str, int]:
    messages, channels = zerver_message.c, zerver_stream.c
    # both databases begin a moment in UTC with its day, as text
    day = sa.func.substr(sa.cast(messages.date_sent, sa.Text), 1, 10)
    return (
        sa.select(day, channels.name, sa.func.count())
        .join_from(zerver_message, zerver_stream, messages.recipient_id == channels.recipient_id)
        .where(messages.realm_id == realm_id, sa.not_(channels.invite_only))
        .group_by(day, channels.name)
        .order_by(day, channels.name)
    )
