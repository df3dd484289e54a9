"""Column types that give and take the same Python values on PostgreSQL and on SQLite.

Where PostgreSQL has a type of its own (timestamptz, jsonb, uuid, tsvector), SQLite keeps text.
The PostgreSQL dialect is imported only when a PostgreSQL database is used.
"""

from __future__ import annotations

import datetime
import json
import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, DateTime, Integer, String, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

UTC = datetime.UTC

INT_ID = Integer()
"""The key of the few old tables that count in 32 bits."""

BIG_ID = BigInteger().with_variant(Integer(), "sqlite")
"""The key of all others. SQLite fills only a column that is called INTEGER by itself."""


def is_postgresql(dialect: Dialect) -> bool:
    """Whether the dialect is PostgreSQL's."""
    return dialect.name == "postgresql"


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A moment: aware datetimes in, aware datetimes in UTC out.

    PostgreSQL: timestamptz. SQLite: 26 characters, "2025-01-31 23:59:59.000000", always in UTC, so
    that text compares as time does. A datetime without a time zone is an error.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return self.impl_instance if is_postgresql(dialect) else dialect.type_descriptor(Text())

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: Dialect
    ) -> datetime.datetime | str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment without a time zone: {value!r}")
        return value if is_postgresql(dialect) else moment_to_text(value)

    def process_result_value(
        self, value: datetime.datetime | str | None, dialect: Dialect
    ) -> datetime.datetime | None:
        if value is None:
            return None
        return text_to_moment(value) if isinstance(value, str) else value.astimezone(UTC)


def moment_to_text(value: datetime.datetime) -> str:
    """What SQLite stores for an aware datetime: 26 characters, in UTC, with microseconds."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def text_to_moment(value: str) -> datetime.datetime:
    """The aware datetime that SQLite's text stands for (text without an offset is UTC)."""
    moment = datetime.datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value: Python's lists, dictionaries, text, numbers, booleans in and out.

    PostgreSQL: jsonb. SQLite: compact JSON in text, non-ASCII as it is. None is SQL's NULL.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if not is_postgresql(dialect):
            return dialect.type_descriptor(Text())
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB(none_as_null=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or is_postgresql(dialect) else json_to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return value if value is None or is_postgresql(dialect) else json.loads(value)


def json_to_text(value: object) -> str:
    """What SQLite stores for a JSON value."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class GuidText(TypeDecorator[str]):
    """A UUID as text, lower case with hyphens, in and out. PostgreSQL: uuid. SQLite: text."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if not is_postgresql(dialect):
            return self.impl_instance
        from sqlalchemy.dialects.postgresql import UUID

        return dialect.type_descriptor(UUID(as_uuid=False))

    def process_bind_param(self, value: str | uuid.UUID | None, dialect: Dialect) -> str | None:
        return None if value is None else str(uuid.UUID(str(value)))


class SearchVector(TypeDecorator[str]):
    """What the full-text search made of a message: text in PostgreSQL's own notation.

    PostgreSQL: tsvector. SQLite: text, filled by nobody.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if not is_postgresql(dialect):
            return dialect.type_descriptor(Text())
        from sqlalchemy.dialects.postgresql import TSVECTOR

        return dialect.type_descriptor(TSVECTOR())
