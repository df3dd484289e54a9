"""The table definitions against what a Zulip 10.0 server has, and made on both databases.

`data/zulip-10.0-tables.json` holds, for each table that zops knows, what PostgreSQL's catalogue
says on such a server: columns, constraints and indexes (without those for LIKE, which zops leaves
out).
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from zcore.schema import SERVER_VERSION, tables
from zcore.schema.compare import type_name
from zcore.schema.groups import zerver_namedusergroup, zerver_usergroup
from zcore.schema.realms import REALM_GROUP_SETTINGS, zerver_realm, zerver_realmemoji

if TYPE_CHECKING:
    from zcore.database import Database

SERVER = json.loads(
    (Path(__file__).parent / "data" / f"zulip-{SERVER_VERSION}-tables.json").read_text()
)
DIALECT = postgresql.dialect()


def names(parts: str) -> list[str]:
    return [part.strip().strip('"') for part in parts.split(",")]


def test_every_table_of_the_facts_is_defined_and_no_other() -> None:
    assert set(tables) == set(SERVER)


@pytest.mark.parametrize("table", tables.values(), ids=lambda table: table.name)
class TestTable:
    def test_columns_have_the_servers_names_types_and_nullability(self, table: sa.Table) -> None:
        found = {
            column.name: type_name(column, DIALECT) + (" null" if column.nullable else "")
            for column in table.columns
        }
        known = SERVER[table.name]["columns"]
        assert found == {name: re.sub(" (identity|default).*", "", known[name]) for name in known}

    def test_server_defaults(self, table: sa.Table) -> None:
        found = {
            column.name: str(column.server_default.arg)
            for column in table.columns
            if isinstance(column.server_default, sa.DefaultClause)
        }
        known = {
            name: column.partition(" default ")[2]
            for name, column in SERVER[table.name]["columns"].items()
            if " default " in column and "nextval" not in column
        }
        assert found == known

    def test_constraints_have_the_servers_names_and_columns(self, table: sa.Table) -> None:
        found = {
            str(constraint.name): [column.name for column in constraint.columns]
            for constraint in table.constraints
            if not isinstance(constraint, sa.CheckConstraint)
        }
        constraints = SERVER[table.name]["constraints"]
        known = {
            name: names(re.search(r"\((.*?)\)", definition)[1])
            for name, definition in constraints.items()
            if not definition.startswith("CHECK")
        }
        assert found == known

    def test_checks(self, table: sa.Table) -> None:
        found = {
            str(constraint.name): f"CHECK (({constraint.sqltext}))"
            for column in table.columns
            for constraint in column.constraints
            if isinstance(constraint, sa.CheckConstraint)
        }
        constraints = SERVER[table.name]["constraints"]
        assert found == {
            name: definition
            for name, definition in constraints.items()
            if definition.startswith("CHECK")
        }

    def test_foreign_keys_point_where_the_servers_do_and_wait_for_the_commit(
        self, table: sa.Table
    ) -> None:
        found = {
            str(key.name): key.elements[0].target_fullname for key in table.foreign_key_constraints
        }
        constraints = SERVER[table.name]["constraints"]
        known = {
            name: ".".join(re.search(r"REFERENCES (\w+)\((\w+)\)", definition).groups())
            for name, definition in constraints.items()
            if definition.startswith("FOREIGN KEY")
        }
        assert found == known
        for key in table.foreign_key_constraints:
            assert (key.deferrable, key.initially) == (True, "DEFERRED")
            assert key.elements[0].column.table.name in tables

    def test_indexes_have_the_servers_names(self, table: sa.Table) -> None:
        assert {index.name for index in table.indexes} == set(SERVER[table.name]["indexes"])


CATALOGUE_COLUMNS = """
    SELECT c.relname, a.attname,
        format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN '' ELSE ' null' END
        || CASE WHEN a.attidentity = 'd' THEN ' identity' ELSE '' END
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
"""
CATALOGUE_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
"""
CATALOGUE_INDEXES = """
    SELECT tablename, indexname,
        regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX .* USING ', '\\1')
    FROM pg_indexes WHERE schemaname = 'public'
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""


def catalogue(database: Database, question: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {name: {} for name in tables}
    with database.read() as connection:
        for table, name, definition in connection.exec_driver_sql(question):
            found[table][name] = definition
    return found


@pytest.mark.parametrize(
    ("part", "question"),
    [
        ("columns", CATALOGUE_COLUMNS),
        ("constraints", CATALOGUE_CONSTRAINTS),
        ("indexes", CATALOGUE_INDEXES),
    ],
)
def test_what_is_made_on_postgresql_is_what_the_server_has(
    postgres_database: Database, part: str, question: str
) -> None:
    found = catalogue(postgres_database, question)
    assert found == {table: facts[part] for table, facts in SERVER.items()}


def test_what_is_made_on_sqlite_has_the_same_names(sqlite_database: Database) -> None:
    inspector = sa.inspect(sqlite_database.engine)
    assert set(inspector.get_table_names()) == set(SERVER)
    for name, facts in SERVER.items():
        columns = {column["name"]: column["nullable"] for column in inspector.get_columns(name)}
        assert columns == {
            column: " null" in description for column, description in facts["columns"].items()
        }
        keys = {key["name"] for key in inspector.get_foreign_keys(name)}
        assert keys == {key for key, what in facts["constraints"].items() if "FOREIGN" in what}
    with sqlite_database.read() as connection:
        made = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE sql LIKE '%INDEX%'")
        known = {index for facts in SERVER.values() for index in facts["indexes"]}
        assert known - set(made.scalars()) == {"zerver_message_search_tsvector"}
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_tables_made_on_postgresql_can_still_be_made_on_sqlite(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    from zcore.database import Database

    with contextlib.closing(Database.connect(empty_postgres_url)) as database:
        database.create_tables()
    with contextlib.closing(
        Database.connect(f"sqlite:///{tmp_path / 'after.db'}", create=True)
    ) as database:
        assert sa.inspect(database.engine).get_foreign_keys("zerver_message")


def new_realm(string_id: str, group_id: int) -> dict[str, Any]:
    return {
        "name": "Zürich",
        "string_id": string_id,
        "uuid_owner_secret": "zuliprealm_secret",
        "date_created": sa.func.now(),
        **dict.fromkeys(REALM_GROUP_SETTINGS, group_id),
    }


def add_realm(connection: sa.Connection, string_id: str) -> int:
    """A realm and its first group, which point at each other."""
    statement = sa.insert(zerver_realm).values(new_realm(string_id, -1))
    realm_id = connection.execute(statement).inserted_primary_key[0]
    group = connection.execute(sa.insert(zerver_usergroup).values(realm_id=realm_id))
    group_id = group.inserted_primary_key[0]
    connection.execute(
        sa.update(zerver_realm)
        .where(zerver_realm.c.id == realm_id)
        .values(dict.fromkeys(REALM_GROUP_SETTINGS, group_id))
    )
    return int(realm_id)


def test_rows_that_point_at_each_other_can_be_written_in_any_order(database: Database) -> None:
    with database.begin() as connection:
        realm_id = add_realm(connection, "zurich")
    with database.read() as connection:
        assert connection.execute(sa.select(zerver_realm.c.id)).scalars().all() == [realm_id]


def test_a_reference_to_nothing_fails_at_the_commit(database: Database) -> None:
    reached = False
    with pytest.raises(Exception, match=r"(?i)foreign key"), database.begin() as connection:  # noqa: PT012
        connection.execute(sa.insert(zerver_realm).values(new_realm("zurich", 12345)))
        reached = True
    assert reached


def test_a_row_needs_only_what_differs_from_the_defaults(database: Database) -> None:
    with database.begin() as connection:
        add_realm(connection, "zurich")
    with database.read() as connection:
        realm = connection.execute(sa.select(zerver_realm)).mappings().one()
    assert realm["message_content_edit_limit_seconds"] == 600
    assert realm["invite_required"] is True
    assert realm["icon_source"] == "G"
    assert realm["max_invites"] is None
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", realm["uuid"])


def test_a_partial_unique_index_looks_only_at_its_rows(database: Database) -> None:
    emoji = {"name": "party", "is_animated": False}
    with database.begin() as connection:
        realm_id = add_realm(connection, "zurich")
        for deactivated in (True, True, False):
            row = {**emoji, "realm_id": realm_id, "deactivated": deactivated}
            connection.execute(sa.insert(zerver_realmemoji).values(row))
    with pytest.raises(Exception, match=r"(?i)unique"), database.begin() as connection:
        connection.execute(sa.insert(zerver_realmemoji).values({**emoji, "realm_id": realm_id}))


def test_names_of_channels_are_unique_whatever_their_case(database: Database) -> None:
    stream = tables["zerver_stream"]
    with database.begin() as connection:
        realm_id = add_realm(connection, "zurich")
        group_id = connection.execute(sa.select(zerver_usergroup.c.id)).scalar_one()
        groups = {column.name: group_id for column in stream.columns if "_group_id" in column.name}
        row = {"realm_id": realm_id, "date_created": sa.func.now(), "description": "", **groups}
        connection.execute(sa.insert(stream).values({**row, "name": "general"}))
    with pytest.raises(Exception, match=r"(?i)unique"), database.begin() as connection:
        connection.execute(sa.insert(stream).values({**row, "name": "General"}))


def test_a_number_below_zero_is_refused_where_the_server_refuses_it(database: Database) -> None:
    recipient = tables["zerver_recipient"]
    with pytest.raises(Exception, match=r"(?i)check"), database.begin() as connection:
        connection.execute(sa.insert(recipient).values(type=-1, type_id=1))


def test_a_named_group_has_the_key_of_its_group(database: Database) -> None:
    with database.begin() as connection:
        realm_id = add_realm(connection, "zurich")
        group_id = connection.execute(sa.select(zerver_usergroup.c.id)).scalar_one()
        named = {
            column.name: group_id
            for column in zerver_namedusergroup.columns
            if column.name.endswith("_group_id") or column.primary_key
        }
        row = {**named, "realm_id": realm_id, "name": "role:nobody", "description": ""}
        connection.execute(sa.insert(zerver_namedusergroup).values(row))
    with database.read() as connection:
        found = connection.execute(sa.select(zerver_namedusergroup)).mappings().one()
    assert (found["usergroup_ptr_id"], found["is_system_group"]) == (group_id, False)


def test_importing_the_tables_loads_neither_dialect_nor_driver() -> None:
    program = (
        "import sys, zcore.schema;"
        "print([name for name in sys.modules if name.startswith('psycopg2')"
        " or name.startswith(('sqlalchemy.dialects.postgresql', 'sqlalchemy.dialects.sqlite'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
