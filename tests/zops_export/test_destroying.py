"""`zops import --destroy-rebuild-database`: a database that an import empties first."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest

from tests.interop.comparing import assert_agree
from tests.interop.reading import WholeExport
from tests.zops_export.spoiling import Watched, change_json
from tests.zops_realm.test_asking_at_a_terminal import run_at_terminal
from zcore.database import Database
from zcore.testing.in_process import ZopsInProcess
from zops_export.destroying import KEPT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore.testing import SampleRealm, Zops

DESTROY = ("--destroy-rebuild-database", "--destroy", "acme")
SURE = (*DESTROY, "--yes")
STRANGERS = """
    CREATE TABLE strangers (id integer PRIMARY KEY, account integer,
        FOREIGN KEY (account) REFERENCES zerver_userprofile (id));
    CREATE TABLE friends (id integer PRIMARY KEY, stranger_id integer REFERENCES strangers (id));
    CREATE TABLE nobodys (id integer PRIMARY KEY);
    INSERT INTO strangers SELECT 1, max(id) FROM zerver_userprofile;
    INSERT INTO friends VALUES (1, 1);
    INSERT INTO nobodys VALUES (1);
"""


@pytest.fixture
def here(zops_in_process: ZopsInProcess, realm: SampleRealm) -> ZopsInProcess:
    """`zops` on a database of each kind, with the organization `acme`."""
    return zops_in_process


@pytest.fixture
def watched(database: Database, uploads: Path) -> Watched:
    return Watched(database, uploads)


def subdomains(here: ZopsInProcess) -> set[str]:
    listed = here("--json", "realm", "list").json()["realms"]
    return {realm["string_id"] for realm in listed} - {"zulipinternal"}


def run_sql(database: Database, statements: str) -> None:
    with database.begin() as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.exec_driver_sql(statement)


def count(database: Database, table: str) -> int:
    with database.read() as connection:
        found = connection.exec_driver_sql(f"SELECT count(*) FROM {table}")  # noqa: S608  # ours
        return int(found.scalar_one())


def test_what_the_database_refuses_is_not_laid_on_the_name(
    here: ZopsInProcess, database: Database, watched: Watched, light: Path
) -> None:
    """When all is taken back, whoever had the subdomain has it again."""
    with database.read() as connection:
        last = connection.exec_driver_sql("SELECT max(id) FROM zerver_stream").scalar_one()
    sql = f"CREATE UNIQUE INDEX one_of_each ON zerver_stream (invite_only) WHERE id > {last}"
    run_sql(database, sql)
    with watched.unchanged():
        error = here("--json", "import", "acme", light, *SURE, exit_code=1).json()["error"]
    assert error["code"] == "integrity"
    assert subdomains(here) == {"acme"}


def test_everything_else_is_gone(
    here: ZopsInProcess,
    realm: SampleRealm,
    database: Database,
    uploads: Path,
    light: Path,
    tmp_path: Path,
) -> None:
    """Also what tables of others have of it, and under the subdomain that it had."""
    run_sql(database, STRANGERS)
    assert (uploads / "files" / str(realm.realm_id)).is_dir()
    done = here("--json", "import", "acme", light, *SURE).json()
    assert subdomains(here) == {"acme"}
    assert done["realm_id"] > realm.realm_id
    assert {path.name for path in (uploads / "files").iterdir()} == {str(done["realm_id"])}
    assert (count(database, "strangers"), count(database, "friends")) == (0, 0)
    assert count(database, "nobodys") == 1
    here("export", "-r", "acme", "--output", tmp_path / "again", exit_code=5)  # strangers
    again = WholeExport.read(tmp_path / "again")
    assert_agree(WholeExport.read(light), again, other_database=True)
    made = here(
        "--json", "create-realm", "Next", "a@b.test", "Al", "--no-password", "--bare"
    ).json()
    assert made["realm_id"] > done["realm_id"]


def test_it_says_no(
    here: ZopsInProcess, watched: Watched, light: Path, light_copy: Path, tmp_path: Path
) -> None:
    """Nothing is destroyed before all is well."""
    here("create-realm", "Best", "a@b.test", "Al", "--no-password", "--bare", "--string-id", "best")
    change_json(light_copy / "realm.json", lambda tables: tables | {"zerver_realm": []})
    both = (*SURE, "--destroy", "best")
    with watched.unchanged():
        here("--json", "import", "new", light, *SURE, check=False).assert_refused("other-realms")
        done = here("import", "new", light, "--destroy-rebuild-database", "--yes", exit_code=3)
        assert "'Acme' at 'acme', 'Best' at 'best'" in done.stderr
        here(
            "--json", "import", "new", light, *both, "--destroy", "no", check=False
        ).assert_refused("no-realm")
        here("import", "new", light_copy, *both, exit_code=3)
        here(
            "--json", "import", "new", light, *DESTROY, "--destroy", "best", check=False
        ).assert_refused("no-terminal")
        here("import", "new", light, *both, "--dry-run")
    here("import", "new", light, *both)
    assert subdomains(here) == {"new"}


def test_at_a_terminal_the_name_of_the_database_is_asked_for(
    zops: Zops, sqlite_database: Database, sqlite_realm: SampleRealm, light: Path
) -> None:
    words = ["import", "new", str(light), *DESTROY]
    name = str(sqlite_database.url.database)
    shown = run_at_terminal(zops, words, [("to go on", "acme")], exit_code=3)
    assert "'Acme' at 'acme', for good" in shown
    assert "is not the name of the database: nothing was changed" in shown
    run_at_terminal(zops, words, [("to go on", name)])
    assert subdomains(ZopsInProcess(zops.folder, zops.environment)) == {"new"}


def test_it_is_killed(
    here: ZopsInProcess,
    zops: Zops,
    watched: Watched,
    uploads: Path,
    realm: SampleRealm,
    light: Path,
) -> None:
    """Before the commit everything is as it was; after it, the old files go later."""
    words = ("import", "new", light, *SURE)
    old = uploads / "files" / str(realm.realm_id)
    with watched.unchanged():
        zops(*words, env={"ZOPS_CRASH_AT": "import-emptied"}, exit_code=137)
        here("import", "new", "--abandon")
    zops(*words, env={"ZOPS_CRASH_AT": "import-before-commit"}, exit_code=137)
    assert subdomains(here) == {"acme"}
    assert old.is_dir()
    zops("import", "new", "--resume", env={"ZOPS_CRASH_AT": "import-committed"}, exit_code=137)
    assert subdomains(here) == {"new"}
    here("import", "new", "--resume")
    assert not old.exists()


def test_several_after_one_another(here: ZopsInProcess, light: Path) -> None:
    done = here("--json", "import", f"acme={light}", f"best={light}", *SURE).json()
    assert [one["state"] for one in done["organizations"]] == ["imported"] * 2
    assert subdomains(here) == {"acme", "best"}


@pytest.mark.postgres
def test_somebody_uses_the_tables(
    zops_in_process: ZopsInProcess,
    postgres_realm: SampleRealm,
    postgres_database: Database,
    uploads: Path,
    light: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zops_export.destroying.LOCK_TIMEOUT_SECONDS", 1)
    url = postgres_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(url)) as other, Watched(postgres_database, uploads).unchanged():
        other.cursor().execute("SELECT count(*) FROM zerver_message")
        done = zops_in_process("--json", "import", "new", light, *SURE, check=False)
        other.rollback()
    done.assert_refused("not-alone")


@pytest.mark.dumps
@pytest.mark.postgres
def test_a_servers_database(
    restored_dump: Callable[[str], str],
    zops_in_process: ZopsInProcess,
    uploads: Path,
    light: Path,
) -> None:
    """What is about no organization stays, and nothing else."""
    url = zops_in_process.environment["ZOPS_DATABASE"] = restored_dump("zulip10-small")
    with closing(Database.connect(url)) as database:
        before = {name: count(database, name) for name in KEPT}
        listed = zops_in_process("--json", "realm", "list").json()["realms"]
        named = [word for realm in listed for word in ("--destroy", realm["string_id"])]
        words = ("import", "new", light, "--destroy-rebuild-database", "--yes", *named)
        done = zops_in_process("--json", *words).json()
        assert {name: count(database, name) for name in KEPT} == before
        rows = done["rows"]
        assert count(database, "zerver_message") == rows["zerver_message"]
        assert count(database, "zerver_usermessage") == rows["zerver_usermessage"]
    assert subdomains(zops_in_process) == {"new"}
    zops_in_process("db", "check")
