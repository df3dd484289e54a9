"""Finding, making and using the database: what users see when something is wrong with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

import zcore.database
from zcore.database import Database, parse_url
from zcore.errors import Failed, Refused, Unreachable, ZopsError
from zcore.schema import tables
from zcore.schema.server import django_migrations
from zcore.settings import Settings
from zcore.testing.processes import free_ports

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.testing.postgres import PostgresServer

SAMPLES = sa.MetaData()
PARENTS = sa.Table("parents", SAMPLES, sa.Column("id", sa.Integer, primary_key=True))
CHILDREN = sa.Table(
    "children",
    SAMPLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("parent_id", sa.ForeignKey("parents.id", deferrable=True)),
    sa.Column("name", sa.String(20), unique=True),
    sa.Column("secret", sa.Text, nullable=False),
)
CLIENTS = tables["zerver_client"]


def settings(folder: Path, url: str | None = None) -> Settings:
    environment = {"ZOPS_HOME": str(folder / "home")}
    return Settings.load({}, environment | ({"ZOPS_DATABASE": url} if url else {}), folder)


def password_url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def add_client(database: Database, name: str) -> None:
    with database.begin() as connection:
        connection.execute(CLIENTS.insert().values(name=name))


def clients(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(sa.select(CLIENTS.c.name)).scalars())


def assert_one_line(error: ZopsError) -> None:
    """Something for a user: one line, and no driver's wording of a traceback in it."""
    assert error.message == " ".join(error.message.split())
    assert "sqlalche.me" not in error.message
    assert "psycopg2" not in error.message


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Nothing is taken from the modes that files and folders are made with."""
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.fixture(scope="module")
def postgres_shared(postgres_server: PostgresServer, postgres_template: str) -> Iterator[Database]:
    """A PostgreSQL database for many tests, with the tables of this module too."""
    name = postgres_server.create_database(template=postgres_template)
    with contextlib.closing(Database.connect(postgres_server.database_url(name))) as database:
        make_samples(database)
        yield database
    postgres_server.drop_database(name)


@pytest.fixture
def postgres(postgres_shared: Database) -> Iterator[Database]:
    """`postgres_shared`, emptied afterwards."""
    yield postgres_shared
    with postgres_shared.begin() as connection:
        for table in (CLIENTS, CHILDREN, PARENTS, django_migrations):
            connection.execute(table.delete())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def either(request: pytest.FixtureRequest) -> Database:
    """A database of each kind, with the tables of this module too."""
    if request.param == "postgresql":
        return cast("Database", request.getfixturevalue("postgres"))
    database: Database = request.getfixturevalue("sqlite_database")
    make_samples(database)
    return database


def make_samples(database: Database) -> None:
    with database.begin() as connection:
        SAMPLES.create_all(connection)


# --- URLs


@pytest.mark.parametrize(
    "kind",
    ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg", "postgresql+asyncpg"],
)
def test_every_way_to_say_postgresql_uses_our_driver(kind: str) -> None:
    url = parse_url(f"{kind}://zulip:p%40ss@db.example.test:5433/zulip?sslmode=require")
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.host, url.port) == (
        "zulip",
        "p@ss",
        "db.example.test",
        5433,
    )
    assert url.query == {"sslmode": "require"}


@pytest.mark.parametrize("kind", ["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"])
def test_every_way_to_say_sqlite_uses_our_driver(kind: str) -> None:
    assert parse_url(f"{kind}:////x/y.db").drivername == "sqlite+pysqlite"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("mysql://u:hunter2@h/d", "mysql"),
        ("mongodb+srv://u:hunter2@h/d", "mongodb"),
        ("file:///x", "file"),
    ],
)
def test_other_databases_are_refused(url: str, kind: str) -> None:
    with pytest.raises(Refused, match=kind) as caught:
        parse_url(url)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "url",
    ["", " ", "garbage", "sqlite", "sqlite:x", "/a/file.db", "postgresql://u:hunter2@h:port/d"],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="not a database URL") as caught:
        Database.connect(url)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
@pytest.mark.parametrize("create", [False, True])
def test_a_database_in_memory_is_refused(url: str, create: bool) -> None:
    with pytest.raises(Refused, match="in memory"):
        Database.connect(url, create=create)


@pytest.mark.parametrize("query", ["mode=ro", "timeout=abc", "uri=true", "cache=shared&mode=rw"])
def test_options_for_sqlite_are_refused(sqlite_database: Database, query: str) -> None:
    with pytest.raises(Refused, match="no options") as caught:
        Database.connect(f"{password_url(sqlite_database)}?{query}")
    assert query.partition("=")[0] in caught.value.message


# --- SQLite files


@pytest.mark.parametrize("create", [False, True])
def test_a_folder_is_no_database(tmp_path: Path, create: bool) -> None:
    with pytest.raises(Refused, match="is a folder"):
        Database.connect(f"sqlite:///{tmp_path}", create=create)


@pytest.mark.parametrize("name", ["none.db", "none/none.db", "file/none.db"])
def test_a_missing_file_is_refused_and_not_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    url = f"sqlite:///{tmp_path}/{name}"
    for attempt in (lambda: Database.connect(url), lambda: Database.open(settings(tmp_path, url))):
        with pytest.raises(Refused, match=name) as caught:
            attempt()
        assert caught.value.code == "no-database"
        assert "db init" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_name_too_long_is_one_line(tmp_path: Path) -> None:
    for create in (False, True):
        with pytest.raises(Refused, match="name too long") as caught:
            Database.connect(f"sqlite:///{tmp_path}/{'x' * 300}", create=create)
        assert_one_line(caught.value)


@pytest.mark.usefixtures("open_umask")
def test_the_default_file_is_made_private_with_all_tables(tmp_path: Path) -> None:
    with contextlib.closing(Database.open(settings(tmp_path))) as database:
        assert database.is_default
        assert database.has_tables
        with database.read() as connection:
            assert set(tables) <= set(sa.inspect(connection).get_table_names())
        add_client(database, "while open")
        home = tmp_path / "home"
        modes = {path.name: path.stat().st_mode & 0o7777 for path in home.iterdir()}
        assert home.stat().st_mode & 0o7777 == 0o700
        assert modes == dict.fromkeys(("zops.db", "zops.db-wal", "zops.db-shm"), 0o600)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["zops.db"]
    with contextlib.closing(Database.open(settings(tmp_path))) as database:
        assert clients(database) == ["while open"]


@pytest.mark.usefixtures("open_umask")
def test_folders_above_the_file_are_private_too(tmp_path: Path) -> None:
    Database.connect(f"sqlite:///{tmp_path}/a/b/c.db", create=True).close()
    assert [(tmp_path / name).stat().st_mode & 0o7777 for name in ("a", "a/b")] == [0o700] * 2


def test_the_same_file_by_name_is_not_the_default(tmp_path: Path) -> None:
    Database.open(settings(tmp_path)).close()
    url = f"sqlite:///{tmp_path}/home/zops.db"
    with contextlib.closing(Database.open(settings(tmp_path, url))) as database:
        assert not database.is_default


def test_a_place_where_no_file_can_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(Refused, match=r"cannot create the database file .*zops.db") as caught:
        Database.open(settings(tmp_path))
    assert_one_line(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_tables_that_cannot_be_made_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_connection: sa.Connection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zcore.schema.create_tables", fail)
    with pytest.raises(KeyboardInterrupt):
        Database.open(settings(tmp_path))
    assert list((tmp_path / "home").iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(Refused, match="is not a database file") as caught:
        Database.open(settings(tmp_path, f"sqlite:///{path}"))
    assert_one_line(caught.value)
    assert path.read_bytes() == b"no database" * 1000


@pytest.mark.parametrize("content", [b"", None])
def test_a_database_without_tables_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.db"
    if content is None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE mine (id INTEGER)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(Refused, match="no Zulip tables") as caught:
        Database.open(settings(tmp_path, f"sqlite:///{path}"))
    assert caught.value.code == "no-tables"
    assert path.read_bytes() == before


def test_processes_that_make_the_default_database_at_once_share_it(tmp_path: Path) -> None:
    program = """if True:
        import pathlib, sys
        from zcore.database import Database
        from zcore.schema import tables
        from zcore.settings import Settings
        folder = pathlib.Path(sys.argv[1])
        settings = Settings.load({}, {"ZOPS_HOME": str(folder / "home")}, folder)
        print("ready", flush=True)
        sys.stdin.readline()
        database = Database.open(settings)
        with database.begin() as connection:
            connection.execute(tables["zerver_client"].insert().values(name=sys.argv[2]))
        database.close()
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), f"client {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in ends] == ["", "", ""]
    with contextlib.closing(Database.open(settings(tmp_path))) as database:
        assert clients(database) == ["client 0", "client 1", "client 2"]
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["zops.db"]


# --- PostgreSQL: getting in


def test_a_missing_postgresql_database_is_refused(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    url = postgres_server.database_url("no_such_database")
    for create in (False, True):
        with pytest.raises(Refused, match="no database 'no_such_database'") as caught:
            Database.connect(url, create=create)
        assert caught.value.code == "no-database"
        assert_one_line(caught.value)
    with pytest.raises(Refused):
        Database.open(settings(tmp_path, url))


def test_a_server_that_is_down_is_unreachable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}") as caught:
        Database.connect(f"postgresql://zulip:hunter2@127.0.0.1:{port}/zulip")
    assert_one_line(caught.value)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "rest", ["@/zulip?host=/no/such/folder", "@127.0.0.1:1/zulip?sslmode=odd", "@127.0.0.1/z?odd=1"]
)
def test_a_server_that_cannot_be_asked_is_one_line(rest: str) -> None:
    with pytest.raises(Unreachable) as caught:
        Database.connect(f"postgresql://zulip:hunter2{rest}")
    assert_one_line(caught.value)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("user", ["right", "nobody_here"])
def test_a_wrong_password_is_unreachable_and_never_shown(
    postgres_server: PostgresServer, user: str
) -> None:
    right = make_url(postgres_server.url)
    wrong = right.set(password="hunter2 @/:?")  # noqa: S106
    if user != "right":
        wrong = wrong.set(username=user)
    with pytest.raises(Unreachable, match="authentication failed") as caught:
        Database.connect(wrong.render_as_string(hide_password=False))
    assert_one_line(caught.value)
    for secret in ("hunter2", right.password or "?"):
        assert secret not in caught.value.message + caught.value.hint


def test_a_postgresql_database_without_tables_is_refused(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="no Zulip tables") as caught:
        Database.open(settings(tmp_path, empty_postgres_url))
    assert caught.value.code == "no-tables"
    password = make_url(empty_postgres_url).password
    assert password
    assert password not in caught.value.message


def test_tables_in_the_schema_zulip_are_found(postgres_url: str, tmp_path: Path) -> None:
    with contextlib.closing(psycopg2.connect(postgres_url)) as connection:
        connection.cursor().execute("ALTER SCHEMA public RENAME TO zulip; CREATE SCHEMA public")
        connection.commit()
    with contextlib.closing(Database.open(settings(tmp_path, postgres_url))) as database:
        add_client(database, "in its place")
        assert clients(database) == ["in its place"]
        assert not database.is_server
        with database.writer() as writer:
            (ident,) = writer.reserve(CLIENTS, 1)
            writer.copy_in(CLIENTS, ["id", "name"], [(ident, "in bulk")])
        with database.read() as connection:
            found = connection.exec_driver_sql("SELECT name FROM zulip.zerver_client")
            assert sorted(found.scalars()) == ["in bulk", "in its place"]


def test_a_visible_zerver_realm_wins_over_the_schema_zulip(
    postgres_url: str, tmp_path: Path
) -> None:
    with contextlib.closing(psycopg2.connect(postgres_url)) as connection:
        connection.cursor().execute(
            "CREATE SCHEMA zulip; CREATE TABLE zulip.zerver_realm (id int);"
            "CREATE TABLE zulip.zerver_client (id int)"
        )
        connection.commit()
    with contextlib.closing(Database.open(settings(tmp_path, postgres_url))) as database:
        add_client(database, "public")
        assert clients(database) == ["public"]


def test_sessions_speak_utc_whatever_the_database_is_set_to(postgres_url: str) -> None:
    name = make_url(postgres_url).database
    with contextlib.closing(psycopg2.connect(postgres_url)) as connection:
        connection.cursor().execute(
            f"ALTER DATABASE {name} SET timezone = 'Asia/Kolkata';"
            f"ALTER DATABASE {name} SET datestyle = 'SQL, DMY'"
        )
        connection.commit()
    with (
        contextlib.closing(Database.connect(postgres_url)) as database,
        database.read() as connection,
    ):
        said = [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("timezone", "datestyle", "application_name")
        ]
    assert said == ["UTC", "ISO, DMY", "zops"]


def test_only_a_list_of_migrations_makes_a_server(either: Database) -> None:
    assert not either.is_server
    row = {"app": "zerver", "name": "0001_initial", "applied": sa.func.now()}
    with either.begin() as connection:
        connection.execute(django_migrations.insert().values(row))
    assert either.is_server == (either.dialect == "postgresql")


def test_the_password_is_in_no_name(postgres: Database) -> None:
    password = postgres.url.password
    assert password
    for text in (postgres.name, repr(postgres), str(postgres)):
        assert password not in text
        assert "***" in text


# --- transactions


def test_begin_commits(either: Database) -> None:
    add_client(either, "a")
    assert clients(either) == ["a"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), Refused("mine")])
def test_an_exception_rolls_back_and_passes(either: Database, error: BaseException) -> None:
    def attempt() -> None:
        with either.begin() as connection:
            connection.execute(CLIENTS.insert().values(name="a"))
            raise error

    with pytest.raises(type(error)) as caught:
        attempt()
    assert caught.value is error
    assert clients(either) == []


def test_who_only_reads_cannot_write(either: Database) -> None:
    with pytest.raises(Refused), either.read_only.read() as connection:
        connection.execute(CLIENTS.insert().values(name="a"))
    with either.begin() as connection:  # the connection is used again
        connection.execute(CLIENTS.insert().values(name="b"))
    assert clients(either) == ["b"]


def test_a_child_may_come_before_its_parent(either: Database) -> None:
    with either.begin() as connection:
        connection.execute(CHILDREN.insert().values(id=1, parent_id=5, secret="x"))  # noqa: S106
        connection.execute(PARENTS.insert().values(id=5))
    with either.read() as connection:
        assert connection.execute(sa.select(CHILDREN.c.parent_id)).scalars().all() == [5]


def test_a_child_without_a_parent_fails_at_commit(either: Database) -> None:
    inside = contextlib.ExitStack()
    connection = inside.enter_context(either.begin())
    connection.execute(CHILDREN.insert().values(id=1, parent_id=5, secret="x"))  # noqa: S106
    with pytest.raises(Failed) as caught:
        inside.close()
    assert caught.value.code == "integrity"
    assert_one_line(caught.value)
    with either.read() as connection:
        assert connection.execute(sa.select(CHILDREN)).all() == []


def test_the_foreign_keys_of_the_schema_are_kept(either: Database) -> None:
    activity = tables["zerver_useractivity"]
    row = {"user_profile_id": 99, "client_id": 98, "query": "q", "count": 1}
    moment = sa.func.current_timestamp()
    with pytest.raises(Failed) as caught, either.begin() as connection:
        connection.execute(activity.insert().values(row | {"last_visit": moment}))
    assert caught.value.code == "integrity"


def test_a_row_that_is_there_already_is_one_line(either: Database) -> None:
    row = {"name": "two\nlines", "secret": "x"}
    with pytest.raises(Failed, match="name") as caught, either.begin() as connection:
        connection.execute(CHILDREN.insert(), [{"id": 1} | row, {"id": 2} | row])
    assert caught.value.code == "integrity"
    assert_one_line(caught.value)


def test_a_refused_row_is_not_shown_whole(either: Database) -> None:
    """A row of users holds keys and the hashes of passwords."""
    with pytest.raises(Failed) as caught, either.begin() as connection:
        connection.execute(CHILDREN.insert().values(id=1, name="private things", secret=None))
    assert caught.value.code == "integrity"
    assert "secret" in caught.value.message
    assert "private things" not in caught.value.message


def test_an_error_handled_outside_is_not_the_cause(either: Database) -> None:
    rows = [{"id": 1, "secret": "x"}] * 2
    try:
        raise Refused("something else that was dealt with")
    except Refused:
        with pytest.raises(Failed) as caught, either.begin() as connection:
            connection.execute(CHILDREN.insert(), rows)
    assert caught.value.code == "integrity"


def test_several_threads_write(either: Database) -> None:
    def write(number: int) -> None:
        for turn in range(5):
            add_client(either, f"{number} {turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(clients(either)) == 15


# --- being in each other's way


@pytest.fixture
def impatient(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The SQLite database, by connections that do not wait for its lock."""
    monkeypatch.setattr(zcore.database, "LOCK_TIMEOUT_SECONDS", 0)
    with contextlib.closing(Database.connect(password_url(sqlite_database))) as database:
        yield database


def test_a_file_that_another_process_writes_is_unreachable(impatient: Database) -> None:
    with contextlib.closing(sqlite3.connect(impatient.url.database or "")) as other:
        other.execute("BEGIN IMMEDIATE")
        entered = False
        with pytest.raises(Unreachable, match="another process") as caught, impatient.begin():
            entered = True
        assert not entered  # the lock is asked for at the beginning, not by the first write
        assert_one_line(caught.value)
        assert clients(impatient) == []  # reading goes on
    add_client(impatient, "later")


def test_a_reader_does_not_stop_a_writer(impatient: Database) -> None:
    with impatient.read() as connection:
        assert connection.execute(sa.select(CLIENTS)).all() == []
        add_client(impatient, "a")
        assert connection.execute(sa.select(CLIENTS)).all() == []
    assert clients(impatient) == ["a"]


def test_making_tables_in_a_locked_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zcore.database, "LOCK_TIMEOUT_SECONDS", 0)
    path = tmp_path / "empty.db"
    path.touch()
    with (
        contextlib.closing(sqlite3.connect(path)) as other,
        contextlib.closing(Database.connect(f"sqlite:///{path}")) as database,
    ):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unreachable, match="another process") as caught:
            database.create_tables()
        assert_one_line(caught.value)


def end_session(connection: sa.Connection) -> None:
    """End it from the server's side."""
    process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    url = connection.engine.url.set(drivername="postgresql")
    with contextlib.closing(psycopg2.connect(url.render_as_string(hide_password=False))) as other:
        other.cursor().execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


Use = Callable[[Database], contextlib.AbstractContextManager[sa.Connection]]


@contextlib.contextmanager
def by_snapshot(database: Database) -> Iterator[sa.Connection]:
    with database.snapshot() as snapshot, snapshot.reader() as reader:
        yield reader.connection


@contextlib.contextmanager
def by_writer(database: Database) -> Iterator[sa.Connection]:
    with database.writer() as writer:
        yield writer.connection


@pytest.mark.parametrize("use", [Database.begin, Database.read, by_snapshot, by_writer])
def test_a_session_that_the_server_ends_is_one_line(postgres: Database, use: Use) -> None:
    def attempt() -> None:
        with use(postgres) as connection:
            end_session(connection)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(Unreachable) as caught:
        attempt()
    assert_one_line(caught.value)
    assert clients(postgres) == []  # a new session is there at once


def test_a_session_that_ends_before_commit_is_one_line(postgres: Database) -> None:
    def attempt() -> None:
        with postgres.begin() as connection:
            connection.execute(CLIENTS.insert().values(name="lost"))
            end_session(connection)

    with pytest.raises(Unreachable) as caught:
        attempt()
    assert_one_line(caught.value)
    assert clients(postgres) == []


def test_our_error_first_is_the_one_shown(postgres: Database) -> None:
    """Our own error, and then the rollback fails too."""

    def attempt() -> None:
        with postgres.begin() as connection:
            end_session(connection)
            raise Refused("mine")

    with pytest.raises(Refused, match="mine"):
        attempt()


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("SET LOCAL ROLE pg_monitor", "permission denied"),
        ("SET TRANSACTION READ ONLY", "read-only"),
    ],
)
def test_a_role_that_may_not_is_refused(postgres: Database, before: str, said: str) -> None:
    def attempt() -> None:
        with postgres.begin() as connection:
            connection.exec_driver_sql(before)
            connection.execute(CLIENTS.insert().values(name="a"))

    with pytest.raises(Refused, match=said) as caught:
        attempt()
    assert_one_line(caught.value)
