"""What the server keeps for itself, about no realm in particular."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text, UniqueConstraint

from zcore.schema.columns import big_id, column, int_id, metadata
from zcore.schema.types import BIG_ID, UtcDateTime

django_content_type = Table(
    "django_content_type",
    metadata,
    int_id(),
    column("app_label", String(100)),
    column("model", String(100)),
    UniqueConstraint("app_label", "model"),
)

django_migrations = Table(
    "django_migrations",
    metadata,
    big_id(),
    column("app", String(255)),
    column("name", String(255)),
    column("applied", UtcDateTime),
)

django_session = Table(
    "django_session",
    metadata,
    Column("session_key", String(40), primary_key=True),
    column("session_data", Text),
    column("expire_date", UtcDateTime, index=True),
)

fts_update_log = Table(
    "fts_update_log",
    metadata,
    Column("id", BIG_ID, primary_key=True),
    column("message_id", Integer),
)
"""Messages that wait for the full-text search; `message_id` is no foreign key."""
