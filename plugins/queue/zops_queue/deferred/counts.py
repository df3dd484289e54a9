"""What the server counts of its users in each hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from zcore.schema.analytics import analytics_usercount

if TYPE_CHECKING:
    import sqlalchemy as sa

    from zops_queue.clients import Member

READ = "messages_read::hour"
READ_INTERACTIONS = "messages_read_interactions::hour"


def count_reading(connection: sa.Connection, member: Member, messages: int, now: datetime) -> None:
    """Count that `member` has read so many messages, at one go."""
    _add(connection, member, READ, messages, now)
    _add(connection, member, READ_INTERACTIONS, 1, now)


def _add(
    connection: sa.Connection, member: Member, counted: str, number: int, now: datetime
) -> None:
    """Add to the count of the hour that ends next."""
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    insert = kind.insert(analytics_usercount).values(
        realm_id=member.realm_id,
        user_id=member.user_id,
        property=counted,
        end_time=end_of_hour(now),
        value=number,
    )
    columns = analytics_usercount.c
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["user_id", "property", "end_time"],
            index_where=columns.subgroup.is_(None),
            set_={"value": columns.value + insert.excluded.value},
        )
    )


def end_of_hour(now: datetime) -> datetime:
    """The next full hour; `now` when it is one."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour if hour == now else hour + timedelta(hours=1)
