"""A database is compared with what zops knows, and the difference is said in words."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from zcore.schema.compare import Difference, Kind, differences

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore.database import Database


def found(database: Database) -> list[Difference]:
    with database.read() as connection:
        return differences(connection)


def change(database: Database, *statements: str) -> None:
    with database.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_a_database_that_zops_made_is_as_zops_knows_it(database: Database) -> None:
    assert found(database) == []


@pytest.mark.parametrize("name", ["zulip10-base", "zulip10-small"])
def test_a_servers_database_is_as_zops_knows_it(
    restored_dump: Callable[[str], str], name: str
) -> None:
    from zcore.database import Database

    with contextlib.closing(Database.connect(restored_dump(name))) as database:
        assert found(database) == []


def test_tables_and_columns_that_are_missing_or_unknown(database: Database) -> None:
    change(
        database,
        "DROP TABLE zerver_draft",
        "CREATE TABLE zerver_reminder (id integer NOT NULL)",
        "CREATE TABLE somebody_elses (id integer NOT NULL)",
        "CREATE TABLE zerver_archivedmessage (id integer NOT NULL)",
        "ALTER TABLE zerver_alertword DROP COLUMN realm_id"
        if database.dialect == "postgresql"
        else "ALTER TABLE zerver_alertword RENAME COLUMN realm_id TO somewhere_id",
        "ALTER TABLE zerver_message ADD COLUMN search_pgroonga text",
        "ALTER TABLE zerver_stream ADD COLUMN topics_policy smallint",
    )
    described = [difference.describe() for difference in found(database)]
    if database.dialect == "sqlite":
        described.remove(
            "column zerver_alertword.somewhere_id (integer, NOT NULL) is not known to zops"
        )
    assert described == [
        "column zerver_alertword.realm_id (integer, NOT NULL) is missing",
        "table zerver_draft is missing",
        "table zerver_reminder is not known to zops",
        "column zerver_stream.topics_policy (smallint, NULL) is not known to zops",
    ]


def test_another_type_and_another_nullability(postgres_database: Database) -> None:
    change(
        postgres_database,
        "ALTER TABLE zerver_stream ALTER COLUMN name TYPE varchar(100)",
        "ALTER TABLE zerver_draft ALTER COLUMN topic DROP NOT NULL",
    )
    assert found(postgres_database) == [
        Difference(Kind.OTHER_NULLABILITY, "zerver_draft", "topic", "NOT NULL", "NULL"),
        Difference(
            Kind.OTHER_TYPE,
            "zerver_stream",
            "name",
            "character varying(60)",
            "character varying(100)",
        ),
    ]
    assert [difference.describe() for difference in found(postgres_database)] == [
        "column zerver_draft.topic is NULL, not NOT NULL",
        "column zerver_stream.name is character varying(100), not character varying(60)",
    ]


def test_an_empty_database_lacks_every_table(empty_postgres_url: str) -> None:
    from zcore.database import Database
    from zcore.schema import tables

    with contextlib.closing(Database.connect(empty_postgres_url)) as database:
        assert {difference.kind for difference in found(database)} == {Kind.MISSING_TABLE}
        assert [difference.table for difference in found(database)] == sorted(tables)


def test_tables_in_a_schema_that_is_not_looked_into_do_not_count(
    postgres_database: Database,
) -> None:
    change(
        postgres_database,
        "CREATE SCHEMA elsewhere",
        "CREATE TABLE elsewhere.zerver_reminder (id integer NOT NULL)",
    )
    assert found(postgres_database) == []
