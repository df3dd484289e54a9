"""Counts of what happened in an hour or day, by realm, user and channel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table

from zcore.schema.columns import big_id, column, exported, foreign_key, index, metadata
from zcore.schema.facts import ColumnFacts, ExportFile, Form, Reference, When
from zcore.schema.types import UtcDateTime

_SUBGROUP = ColumnFacts(
    references=(
        Reference("zerver_client", Form.TEXT, when=When("property", "messages_sent:client:day")),
    )
)


def _count() -> list[Column[Any]]:
    return [
        column("property", String(32)),
        column("subgroup", String(16), null=True, facts=_SUBGROUP),
        column("end_time", UtcDateTime),
        column("value", BigInteger),
    ]


def _one_count_for_each(subject: str, column_name: str) -> list[Index]:
    """One count of a property at a time, with a subgroup and without."""
    name = f"unique_{subject}_count"
    return [
        index(
            name,
            column_name,
            "property",
            "subgroup",
            "end_time",
            where="subgroup IS NOT NULL",
            unique=True,
        ),
        index(
            f"{name}_null_subgroup",
            column_name,
            "property",
            "end_time",
            where="subgroup IS NULL",
            unique=True,
        ),
    ]


analytics_realmcount = Table(
    "analytics_realmcount",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    *_count(),
    *_one_count_for_each("realm", "realm_id"),
    index(None, "property", "end_time"),
    info=exported(ExportFile.ANALYTICS, 42, "analytics_realmcount"),
)

analytics_usercount = Table(
    "analytics_usercount",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("user_id", "zerver_userprofile"),
    *_count(),
    *_one_count_for_each("user", "user_id"),
    index(None, "property", "realm_id", "end_time"),
    info=exported(ExportFile.ANALYTICS, 43, "analytics_usercount"),
)

analytics_streamcount = Table(
    "analytics_streamcount",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    foreign_key("stream_id", "zerver_stream"),
    *_count(),
    *_one_count_for_each("stream", "stream_id"),
    index(None, "property", "realm_id", "end_time"),
    info=exported(ExportFile.ANALYTICS, 44, "analytics_streamcount"),
)
