"""The column types give and take the same values on both databases."""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from zcore.schema.types import GuidText, Json, SearchVector, UtcDateTime

if TYPE_CHECKING:
    from zcore.database import Database

UTC = datetime.UTC
INDIA = datetime.timezone(datetime.timedelta(hours=5, minutes=30))

SAMPLES = sa.Table(
    "samples",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("moment", UtcDateTime),
    sa.Column("json", Json),
    sa.Column("guid", GuidText),
    sa.Column("vector", SearchVector),
)


def write(database: Database, **values: Any) -> None:
    with database.begin() as connection:
        SAMPLES.create(connection, checkfirst=True)
        connection.execute(sa.insert(SAMPLES).values(**values))


def read(database: Database, column: str) -> Any:
    with database.read() as connection:
        return connection.execute(sa.select(SAMPLES.c[column])).scalar_one()


def raw(database: Database, expression: str) -> Any:
    with database.read() as connection:
        return connection.exec_driver_sql(f"SELECT {expression} FROM samples").scalar_one()  # noqa: S608


@pytest.mark.parametrize(
    "moment",
    [
        datetime.datetime(2025, 1, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime.datetime(2025, 1, 31, tzinfo=UTC),
        datetime.datetime(1970, 1, 1, tzinfo=UTC),
        datetime.datetime(1, 1, 2, tzinfo=UTC),
        datetime.datetime(9999, 12, 30, 12, 0, 0, 1, tzinfo=UTC),
        datetime.datetime(2025, 6, 1, 0, 30, 0, 500, tzinfo=INDIA),
        None,
    ],
)
def test_moments_come_back_in_utc(database: Database, moment: datetime.datetime | None) -> None:
    write(database, moment=moment)
    found = read(database, "moment")
    assert found == moment
    if moment is not None:
        assert found.tzinfo is UTC


def test_moments_on_sqlite_are_26_characters_in_utc(sqlite_database: Database) -> None:
    write(sqlite_database, moment=datetime.datetime(2025, 6, 1, 0, 30, tzinfo=INDIA))
    assert raw(sqlite_database, "moment") == "2025-05-31 19:00:00.000000"


def test_moments_compare_as_time_does(database: Database) -> None:
    noon = datetime.datetime(2025, 6, 1, 12, tzinfo=UTC)
    write(database, moment=noon)
    earlier_though_its_text_is_later = datetime.datetime(2025, 6, 1, 13, tzinfo=INDIA)
    with database.read() as connection:
        later = SAMPLES.c.moment > earlier_though_its_text_is_later
        assert connection.execute(sa.select(later)).scalar_one() in (True, 1)
        same = SAMPLES.c.moment == noon.astimezone(INDIA)
        assert connection.execute(sa.select(same)).scalar_one() in (True, 1)


def test_the_databases_own_now_can_be_read(database: Database) -> None:
    write(database, moment=sa.func.now())
    age = datetime.datetime.now(UTC) - read(database, "moment")
    assert abs(age) < datetime.timedelta(minutes=5)


def test_a_moment_without_a_time_zone_is_refused(database: Database) -> None:
    naive = datetime.datetime(2025, 1, 1)  # noqa: DTZ001
    with pytest.raises(StatementError, match="without a time zone"):
        write(database, moment=naive)


@pytest.mark.parametrize(
    "value",
    [
        {"10": {"11": {"100": 1}}, "b": [1, 2.5, None, True], "name": "Zürich 🏔"},
        [],
        {},
        "text",
        0,
        False,
        None,
    ],
)
def test_json_comes_back_as_it_was(database: Database, value: object) -> None:
    write(database, json=value)
    assert read(database, "json") == value


def test_no_json_is_sqls_null(database: Database) -> None:
    write(database, json=None)
    assert raw(database, "json IS NULL") in (True, 1)


def test_json_on_sqlite_is_compact_and_readable(sqlite_database: Database) -> None:
    write(sqlite_database, json={"name": "Zürich", "ids": [1, 2]})
    assert raw(sqlite_database, "json") == '{"name":"Zürich","ids":[1,2]}'


@pytest.mark.parametrize(
    "given",
    [
        "0192ab3c-4d5e-7f60-8a9b-0c1d2e3f4a5b",
        "0192AB3C4D5E7F608A9B0C1D2E3F4A5B",
        uuid.UUID("0192ab3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"),
    ],
)
def test_a_uuid_is_text_in_lower_case_with_hyphens(
    database: Database, given: str | uuid.UUID
) -> None:
    write(database, guid=given)
    assert read(database, "guid") == "0192ab3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
    with database.read() as connection:
        same = sa.select(sa.func.count()).where(SAMPLES.c.guid == given)
        assert connection.execute(same).scalar_one() == 1


def test_what_is_no_uuid_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="badly formed"):
        write(database, guid="zulip")


def test_a_search_vector_is_text_in_postgresqls_notation(database: Database) -> None:
    write(database, vector="'hello':1 'world':2")
    assert read(database, "vector") == "'hello':1 'world':2"
