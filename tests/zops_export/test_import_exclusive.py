"""An import that has PostgreSQL's tables for itself leaves everything about them as it was."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg2
import pytest
import sqlalchemy as sa

from zcore import Refused, ZopsError
from zcore.database import Database
from zops_export import import_exclusive
from zops_export.import_exclusive import tables_for_us_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.testing.commands import Completed

pytestmark = pytest.mark.postgres

# All that says how tables are made and used, in words that do not depend on numbers.
CATALOGUE = {
    "indexes": """
        SELECT c.relname, pg_get_indexdef(c.oid), i.indisvalid, i.indisprimary, i.indisunique,
            i.indisclustered, i.indisreplident, c.reltablespace, c.reloptions, c.relowner,
            obj_description(c.oid, 'pg_class')
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace::regnamespace::text !~ '^(pg_|zops$)'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid), condeferrable,
            condeferred, convalidated, conislocal, coninhcount, connoinherit,
            conindid::regclass::text, obj_description(oid, 'pg_constraint')
        FROM pg_constraint
        WHERE conrelid <> 0 AND connamespace::regnamespace::text <> 'zops'""",
    "triggers": """
        SELECT t.tgrelid::regclass::text, t.tgfoid::regproc::text, t.tgenabled, t.tgtype,
            t.tgdeferrable, t.tginitdeferred, k.conname,
            CASE WHEN NOT t.tgisinternal THEN pg_get_triggerdef(t.oid) END
        FROM pg_trigger t LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint""",
    "columns": """
        SELECT attrelid::regclass::text, attnum, attname, atttypid::regtype::text, attnotnull,
            attstattarget, attoptions, attacl::text
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE c.relnamespace::regnamespace::text !~ '^(pg_|zops$)'""",
    "tables": """
        SELECT relname, relkind, relowner, relacl::text, reloptions, relhasindex, relhastriggers,
            relreplident, reltablespace
        FROM pg_class WHERE relnamespace::regnamespace::text !~ '^(pg_|zops$)'""",
}

# What people do to the tables of their servers, and what only looks simple.
ODDITIES = """
    CREATE INDEX percent ON zerver_message (subject) WHERE subject LIKE '100 %% %s %';
    CREATE INDEX "Quoted ""Name" ON zerver_message USING gin (search_tsvector)
        WITH (fastupdate=off);
    CREATE INDEX with_target ON zerver_message (upper(subject));
    ALTER INDEX with_target ALTER COLUMN 1 SET STATISTICS 500;
    CREATE INDEX described ON zerver_message (sender_id, id);
    COMMENT ON INDEX described IS 'for our own reports';
    CREATE INDEX clustered ON zerver_usermessage (id, flags);
    ALTER TABLE zerver_usermessage CLUSTER ON clustered;
    CREATE UNIQUE INDEX pair ON zerver_message (id, realm_id);
    CREATE TABLE ours (message bigint, realm bigint,
        FOREIGN KEY (message, realm) REFERENCES zerver_message (id, realm_id),
        FOREIGN KEY (message) REFERENCES zerver_message (id) ON DELETE CASCADE);
    ALTER TABLE zerver_message ADD CONSTRAINT later FOREIGN KEY (sender_id)
        REFERENCES zerver_userprofile (id) NOT VALID;
    ALTER TABLE zerver_message ADD CONSTRAINT at_once FOREIGN KEY (realm_id)
        REFERENCES zerver_realm (id) ON DELETE CASCADE;
    CREATE INDEX expanded ON zerver_message (lower(content) text_pattern_ops DESC NULLS LAST)
        INCLUDE (id);
"""


def catalogue(database: Database) -> dict[str, list[str]]:
    """The whole catalogue of the database, table by table, in one order."""
    with closing(connected(database)) as connection, connection.cursor() as cursor:
        found = {}
        for name, query in CATALOGUE.items():
            cursor.execute(query)
            found[name] = sorted(map(repr, cursor.fetchall()))
        return found


def connected(database: Database) -> psycopg2.extensions.connection:
    """Somebody else's session."""
    return psycopg2.connect(
        database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    )


def count_parts(connection: sa.Connection) -> int:
    query = sa.text(
        "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = ANY(big))"
        " + (SELECT count(*) FROM pg_constraint WHERE conrelid = ANY(big))"
        " FROM (SELECT ARRAY['zerver_message'::regclass, 'zerver_usermessage'] AS big) AS tables"
    )
    return int(connection.scalar(query) or 0)


@contextmanager
def alone(database: Database) -> Iterator[sa.Connection]:
    """A transaction that has the tables for itself."""
    with database.begin() as connection, tables_for_us_alone(database, connection):
        yield connection


def import_alone(zops: ZopsHere, database: Database, export: Path, exit_code: int = 0) -> Completed:
    """Import while this process has no session of its own."""
    database.close()
    zops.environment["ZOPS_DATABASE"] = database.url.render_as_string(hide_password=False)
    return zops("import", "acme", export, "--exclusive", exit_code=exit_code)


@pytest.fixture
def odd(postgres_database: Database) -> Database:
    """A database whose tables somebody has worked on."""
    with closing(connected(postgres_database)) as connection, connection.cursor() as cursor:
        cursor.execute(ODDITIES)
        connection.commit()
    return postgres_database


def test_an_import_leaves_the_catalogue_as_it_was(
    odd: Database, zops_here: ZopsHere, light: Path
) -> None:
    before = catalogue(odd)
    import_alone(zops_here, odd, light)
    assert catalogue(odd) == before
    with odd.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM zerver_usermessage"))


@pytest.mark.dumps
def test_so_does_one_into_the_database_of_a_server(
    restored_dump: Callable[[str], str], zops_here: ZopsHere, light: Path
) -> None:
    with closing(Database.connect(restored_dump("zulip10-base"))) as database:
        before = catalogue(database)
        import_alone(zops_here, database, light)
        assert catalogue(database) == before


def test_few_things_are_left_meanwhile_and_all_return(odd: Database) -> None:
    with odd.begin() as connection:
        before = count_parts(connection)
        with tables_for_us_alone(odd, connection):
            during = count_parts(connection)
        assert count_parts(connection) == before
    # two primary keys, what they are made of, and what is odd
    assert during < 15 < 40 < before


def test_a_failure_leaves_the_catalogue_as_it_was(odd: Database) -> None:
    before = catalogue(odd)
    with suppress(ZeroDivisionError), alone(odd):
        raise ZeroDivisionError
    assert catalogue(odd) == before


def end_within(database: Database) -> None:
    """Have the server end the session that has the tables for itself."""
    with alone(database) as connection:
        ours = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with closing(connected(database)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (ours,))


def test_so_does_the_end_of_the_session(odd: Database) -> None:
    before = catalogue(odd)
    with pytest.raises(ZopsError):
        end_within(odd)
    assert catalogue(odd) == before


def test_a_row_that_leads_nowhere_is_found_when_the_keys_return(odd: Database) -> None:
    row = "INSERT INTO zerver_usermessage (user_profile_id, message_id, flags) VALUES (7, 7, 0)"
    with pytest.raises(ZopsError, match="refused a row"), alone(odd) as connection:
        connection.exec_driver_sql(row)


def test_it_is_refused_beside_others(
    postgres_database: Database, zops_here: ZopsHere, light: Path
) -> None:
    with closing(connected(postgres_database)):
        refused = import_alone(zops_here, postgres_database, light, 3)
    assert "others use the database: a program as" in refused.stderr
    import_alone(zops_here, postgres_database, light)


def test_somebody_who_comes_before_the_lock_is_seen(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = []
    monkeypatch.setattr(
        import_exclusive,
        "_require_ownership",
        lambda _connection: guests.append(connected(postgres_database)),
    )
    with pytest.raises(Refused, match="others use the database"), alone(postgres_database):
        pass
    guests[0].close()


def test_a_lock_is_not_waited_for_long(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_exclusive, "LOCK_TIMEOUT_SECONDS", 0.05)
    with postgres_database.read() as reader:  # our own session, which is no other's
        reader.exec_driver_sql("SELECT 1 FROM zerver_message LIMIT 1")
        with pytest.raises(Refused, match="locked"), alone(postgres_database):
            pass


def test_tables_of_another_role_are_not_ours(postgres_database: Database) -> None:
    with postgres_database.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE zops_guest_of_a_test")
        connection.exec_driver_sql("SET LOCAL ROLE zops_guest_of_a_test")
        taking = tables_for_us_alone(postgres_database, connection)
        with pytest.raises(Refused, match="belong to another role"):
            taking.__enter__()
        connection.rollback()


def test_on_sqlite_it_changes_nothing(zops_here: ZopsHere, light: Path) -> None:
    zops_here("import", "acme", light, "--exclusive")
