"""Imports that were not finished: they are named, gone on with, and taken back."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from tests.zops_export.test_interruptions import Held
from zcore.schema.files import zerver_imageattachment
from zcore.schema.messages import zerver_message
from zcore.schema.realms import zerver_realm
from zcore.testing.in_process import ZopsInProcess
from zops_export import file_storing
from zops_export.import_journal import ImportJournal
from zops_export.number_ranges import as_text, from_text
from zops_export.ordered_work import OrderedWork

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing import Zops
    from zcore.testing.commands import Completed

Place = tuple["Zops", ZopsInProcess]


@pytest.fixture
def place(zops: Zops, sqlite_database: Database, tmp_path: Path) -> Place:
    """`zops` on a SQLite database: as a process, and in this one."""
    places = {"ZOPS_UPLOADS": str(tmp_path / "uploads"), "ZOPS_AVATAR_SALT": "a-salt"}
    zops.on(sqlite_database).environment |= places
    return zops, ZopsInProcess(tmp_path, zops.environment)


def kill(zops: Zops, light: Path, point: str = "stage-done:files") -> None:
    zops("import", "acme", light, env={"ZOPS_CRASH_AT": point}, exit_code=137)


def error_of(done: Completed) -> tuple[str, str]:
    """The code and the message."""
    error = done.json()["error"]
    return error["code"], error["message"]


def test_what_was_not_finished_is_named(place: Place, light: Path) -> None:
    zops, here = place
    kill(zops, light)
    for words in (("import", "acme", light), ("import", "acme", light, "--dry-run")):
        done = here(*words, exit_code=3)
        said, hint = done.stderr.splitlines()
        assert said.startswith("zops: error: an import into 'acme' that began 20")
        assert said.endswith("UTC was not finished")
        assert hint == (
            "hint: finish it with 'zops import acme --resume', or take it back with"
            " 'zops import acme --abandon'"
        )
    here("import", "other", light)  # is in nobody's way


def test_files_that_are_there_are_kept(place: Place, light: Path, tmp_path: Path) -> None:
    """But for one that was damaged, one that nobody knows, and the beginning of one."""
    zops, here = place
    kill(zops, light)
    folder = tmp_path / "uploads" / "files"
    before = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    damaged = min(before)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + b"!")
    for stray in ("stray", f".{16 * 'a'}.partial"):
        damaged.with_name(stray).touch()
    here("import", "acme", "--resume")
    after = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    assert after.keys() == before.keys()
    assert [path for path in before if before[path] != after[path]] == [damaged]
    assert damaged.read_bytes() == content


def test_it_stores_as_many_files_at_once_as_suit_the_store(
    place: Place, light: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zops, here = place
    kill(zops, light)
    asked: list[int] = []

    class Counted(OrderedWork[Any, Any]):
        def __init__(self, work: Any, threads: int, *rest: Any) -> None:
            asked.append(threads)
            super().__init__(work, threads, *rest)

    monkeypatch.setattr(file_storing, "OrderedWork", Counted)
    here("import", "acme", "--resume")
    assert asked == [file_storing.INTO_A_FOLDER]


def test_it_goes_on_with_an_export_that_was_moved(
    place: Place, light_copy: Path, tmp_path: Path
) -> None:
    """And with what it was asked for the first time."""
    zops, here = place
    words = ("import", "acme", light_copy, "--name", "A name")
    zops(*words, env={"ZOPS_CRASH_AT": "import-begun"}, exit_code=137)
    moved = light_copy.rename(tmp_path / "moved")
    done = here("--json", "import", "acme", "--resume", exit_code=3)
    assert error_of(done) == ("no-such-export", f"there is no export {light_copy}")
    here("import", "acme", "--resume", moved)
    assert "A name" in here("realm", "show", "acme").stdout


def test_its_number_is_nobody_elses(place: Place, light: Path, tmp_path: Path) -> None:
    """On SQLite, where the number of the next row is that of the last and one more."""
    zops, here = place
    kill(zops, light)
    person = ("olive@example.test", "Olive", "--no-password")
    made = here("--json", "create-realm", "Other", *person, "--string-id", "other", "--bare")
    taken_back = here("--json", "import", "acme", "--abandon").json()
    assert made.json()["realm_id"] > taken_back["realm_id"]
    assert taken_back["files"] > 0
    assert not any(path.is_file() for path in (tmp_path / "uploads").rglob("*"))
    here("import", "acme", light)


def test_there_is_nothing_to_be_finished(place: Place, light: Path) -> None:
    _, here = place
    for flag in ("--resume", "--abandon"):
        done = here("--json", "import", "acme", flag, exit_code=3)
        assert error_of(done) == (
            "no-unfinished-import",
            "there is no unfinished import into 'acme'",
        )
    here("import", "acme", light)
    here("import", "acme", "--abandon", exit_code=3)


def test_what_was_complete_is_not_taken_back(place: Place, light: Path) -> None:
    zops, here = place
    kill(zops, light, "import-committed")
    done = here("--json", "import", "acme", "--abandon", exit_code=3)
    assert error_of(done)[0] == "import-complete"
    here("import", "acme", "--resume")
    here("import", "acme", "--resume", exit_code=3)


def test_what_was_complete_is_told_all_the_same(
    zops: Zops, database: Database, light: Path, tmp_path: Path
) -> None:
    places = {"ZOPS_UPLOADS": str(tmp_path / "uploads"), "ZOPS_AVATAR_SALT": "a-salt"}
    zops.on(database).environment |= places | {"ZOPS_BROKER": "embedded"}
    here = ZopsInProcess(tmp_path, zops.environment)
    kill(zops, light, "import-committed")
    assert here("--json", "queue", "peek", "thumbnail", check=False).json().get("events", []) == []
    here("import", "acme", "--resume")
    with database.read() as connection:
        images = set(connection.scalars(sa.select(zerver_imageattachment.c.id)))
        if database.dialect == "postgresql":
            estimate = "SELECT reltuples FROM pg_class WHERE relname = 'zerver_message'"
            messages = sa.select(sa.func.count()).select_from(zerver_message)
            assert connection.exec_driver_sql(estimate).scalar() == connection.scalar(messages)
    asked = here("--json", "queue", "peek", "thumbnail").json()["events"]
    assert {event["event"]["id"] for event in asked} == images


def test_its_files_are_elsewhere(place: Place, light: Path, tmp_path: Path) -> None:
    zops, here = place
    kill(zops, light)
    elsewhere = {"ZOPS_UPLOADS": str(tmp_path / "elsewhere")}
    for flag in ("--resume", "--abandon"):
        done = here("--json", "import", "acme", flag, env=elsewhere, exit_code=3)
        assert error_of(done)[0] == "other-files"
        assert str(tmp_path / "uploads") in error_of(done)[1]


def test_options_that_do_not_fit_together(place: Place, light: Path) -> None:
    _, here = place
    for words in (
        ("--resume", "--abandon"),
        ("--resume", "--dry-run"),
        (light, "--abandon"),
        ("--abandon", "--name", "A name"),
        (),
    ):
        here("import", "acme", *words, exit_code=2)


def test_one_of_two_is_refused(zops: Zops, database: Database, light: Path, tmp_path: Path) -> None:
    """While the first runs, nobody else can import there, nor take it back, nor go on with it."""
    places = {"ZOPS_UPLOADS": str(tmp_path / "uploads"), "ZOPS_AVATAR_SALT": "a-salt"}
    zops.on(database).environment |= places
    here = ZopsInProcess(tmp_path, dict(zops.environment))
    held = Held(zops, tmp_path, "import", "realm-rows")
    process = held.start("import", "acme", light)
    for words in ((str(light),), ("--resume",), ("--abandon",)):
        code, message = error_of(here("--json", "import", "acme", *words, exit_code=3))
        assert code == "subdomain-taken"
        assert f"it is being imported at this moment (by process {process.pid} on" in message
    assert held.end(process)[0] == 0
    code, _ = error_of(here("--json", "import", "acme", light, exit_code=3))
    assert code == "subdomain-taken"


@pytest.mark.postgres
def test_two_copies_of_one_organization_at_once(
    zops: Zops, postgres_database: Database, light: Path, tmp_path: Path
) -> None:
    """The second waits for the first, and then gets a `uuid` of its own."""
    places = {"ZOPS_UPLOADS": str(tmp_path / "uploads"), "ZOPS_AVATAR_SALT": "a-salt"}
    zops.on(postgres_database).environment |= places
    ZopsInProcess(tmp_path, dict(zops.environment))("import", "before", light)  # clients and bots
    with postgres_database.begin() as connection:
        connection.execute(sa.update(zerver_realm).values(uuid=sa.func.gen_random_uuid()))
    held = Held(zops, tmp_path, "import", "realm-rows")
    first = held.start("import", "acme", light)
    second = held.zops.start(
        "import", "other", light, env={"READY": str(held.ready), "GO": str(held.go)}
    )
    with postgres_database.read() as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not connection.exec_driver_sql(waiting).scalar():
            assert second.poll() is None
    assert held.end(first)[0] == held.end(second)[0] == 0
    with postgres_database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count(zerver_realm.c.uuid.distinct()))) == 4


def test_the_answer_to_the_commit_is_lost(
    place: Place, light: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then all of it is there, and nothing is taken back."""
    _, here = place
    commit = DefaultDialect.do_commit
    journal = ImportJournal(sqlite_database)

    def lose_answer(dialect: DefaultDialect, connection: Any) -> None:
        before = journal.find("acme")
        commit(dialect, connection)
        after = journal.find("acme")
        if after is not None and after.is_complete and before != after:
            monkeypatch.undo()
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(DefaultDialect, "do_commit", lose_answer)
    done = here("import", "acme", light)
    assert "though all of it was written" in done.stderr
    assert journal.find("acme") is None
    here("export", "-r", "acme", "--output", "again")


def test_numbers_as_text() -> None:
    for numbers in ([], [4], [4, 5, 6], [1, 2, 7, 9, 10]):
        text = as_text(numbers)
        assert list(from_text(text)) == numbers
    assert as_text([1, 2, 7, 9, 10]) == "1-2,7-7,9-10"
    assert as_text(range(3, 9)) == "3-8"
    assert from_text("3-8") == range(3, 9)


def test_a_table_of_that_name_is_another_programs(
    place: Place, light: Path, sqlite_database: Database
) -> None:
    _, here = place
    with sqlite_database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE zops_imports (subdomain TEXT)")
    done = here("--json", "import", "acme", light, exit_code=3)
    assert error_of(done) == (
        "own-table",
        "the table zops_imports is not as this version of zops makes it",
    )


@pytest.mark.postgres
def test_a_role_that_may_not_make_a_schema(
    place: Place, postgres_database: Database, light: Path
) -> None:
    """It is told what an administrator can do once; it may look all the same."""
    _, here = place
    role = f"writer_{postgres_database.url.database}"
    grants = (
        f"CREATE ROLE {role} LOGIN PASSWORD 'writer'",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    )
    with postgres_database.begin() as connection:
        for statement in grants:
            connection.exec_driver_sql(statement)
    url = postgres_database.url.set(username=role, password="writer")  # noqa: S106  # of this test
    here.environment["ZOPS_DATABASE"] = url.render_as_string(hide_password=False)
    try:
        here("import", "acme", light, "--dry-run")
        done = here("--json", "import", "acme", light, exit_code=3)
        assert error_of(done)[0] == "read-only"
        assert "CREATE SCHEMA zops AUTHORIZATION" in done.json()["error"]["hint"]
        with postgres_database.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA zops AUTHORIZATION {role}")
        here("import", "acme", light)
    finally:
        with postgres_database.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")
