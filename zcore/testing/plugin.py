"""The pytest plugin: `pytest_plugins = ["zcore.testing.plugin"]` in `tests/conftest.py`.

Fixtures:

`zops`                  runs the installed command (`zcore.testing.commands.Zops`)
`sqlite_database`       a new SQLite `Database` with all tables
`postgres_database`     a new PostgreSQL `Database` with all tables
`database`              the test runs twice, once with each
`postgres_url`          the URL of a new PostgreSQL database with all tables
`empty_postgres_url`    the URL of a new PostgreSQL database without tables
`postgres_server`       the server that these are on (`zcore.testing.postgres.PostgresServer`)
`rabbitmq_url`          an AMQP URL with a vhost that no other test uses
`s3`                    buckets that no other test uses (`zcore.testing.s3.S3Buckets`)
`dumps`                 the folder with the server dumps
`restored_dump`         `restored_dump("zulip10-small")`: the URL of a new copy of that dump

Tests that use them get the markers `postgres`, `rabbitmq`, `s3` and `dumps`.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sqlite3
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from zcore.testing.commands import Zops
from zcore.testing.services import Services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.postgres import PostgresServer
    from zcore.testing.rabbitmq import RabbitMQServer
    from zcore.testing.s3 import S3Buckets, S3Server

SERVICES = pytest.StashKey[Services]()

MARKERS = {
    "postgres": "needs a PostgreSQL server (a private one is started, or ZOPS_TEST_POSTGRES)",
    "rabbitmq": "needs a RabbitMQ server (a private one is started, or ZOPS_TEST_RABBITMQ)",
    "s3": "needs an S3 server (a private one is started, or ZOPS_TEST_S3)",
    "dumps": "needs the server dumps in the folder that ZOPS_TEST_DUMPS names",
}

MARKER_OF_FIXTURE = {
    "postgres_server": "postgres",
    "rabbitmq_server": "rabbitmq",
    "s3_server": "s3",
    "dumps": "dumps",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and keep the program's own variables out of the tests."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.stash[SERVICES] = Services(in_ci=bool(os.environ.get("CI")))
    for name in list(os.environ):
        if name.startswith("ZOPS_") and not name.startswith("ZOPS_TEST_"):
            del os.environ[name]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the services that its fixtures need, before `-m` chooses among them."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKER_OF_FIXTURE:
                item.add_marker(MARKER_OF_FIXTURE[fixture])


def pytest_report_header() -> str:
    """The versions that matter, of what is there before the first test."""
    parts = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    parts += [f"{name} {version(name)}" for name in ("SQLAlchemy", "psycopg2-binary", "pika")]
    return "zops tests with: " + ", ".join(parts)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The versions of the services that were started, and, loudly, what was left out."""
    services = config.stash[SERVICES]
    if services.versions:
        terminalreporter.write_line("services: " + ", ".join(services.versions))
    if services.left_out:
        terminalreporter.write_sep("!", "NOT EVERYTHING WAS TESTED", red=True, bold=True)
        for name, reason in services.left_out.items():
            terminalreporter.write_line(f"tests that need {name} were skipped: {reason}", red=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what is missing now: a test's time limit is too short for that."""
    if session.config.option.collectonly:
        return
    wanted = {marker.name for item in session.items for marker in item.iter_markers()}
    session.config.stash[SERVICES].install_missing(wanted)


def _connect(url: str, *, create: bool = False) -> Database:
    """Connect; what that imports is only imported for the tests that do."""
    from zcore.database import Database

    return Database.connect(url, create=create)


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server on which databases can be made."""
    server = request.config.stash[SERVICES].postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server(request: pytest.FixtureRequest) -> Iterator[RabbitMQServer]:
    """A broker that hands out vhosts."""
    server = request.config.stash[SERVICES].rabbitmq()
    yield server
    server.stop()


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitMQServer) -> str:
    """An AMQP URL with a vhost that no other test uses."""
    return rabbitmq_server.new_vhost_url()


@pytest.fixture(scope="session")
def s3_server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """An object store that buckets can be made in."""
    server = request.config.stash[SERVICES].s3()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server) -> Iterator[S3Buckets]:
    """Buckets for the files of one server, empty."""
    buckets = s3_server.new_buckets()
    yield buckets
    buckets.remove()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database with all tables and no rows, for making copies of."""
    name = postgres_server.create_database()
    with contextlib.closing(_connect(postgres_server.database_url(name))) as database:
        database.create_tables()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """The URL of a new database with all tables and no rows."""
    name = postgres_server.create_database(template=postgres_template)
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a new database without tables."""
    name = postgres_server.create_database()
    yield postgres_server.database_url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[Database]:
    """A connected PostgreSQL database with all tables and no rows."""
    with contextlib.closing(_connect(postgres_url)) as database:
        yield database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, for making copies of."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _connect(f"sqlite:///{path}", create=True).close()
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """A connected SQLite database with all tables and no rows."""
    path = tmp_path / "zops-test.db"
    shutil.copyfile(sqlite_template, path)
    with contextlib.closing(_connect(f"sqlite:///{path}")) as database:
        yield database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A connected database with all tables and no rows: the test runs once with each kind."""
    kind = {"sqlite": "sqlite_database", "postgresql": "postgres_database"}[request.param]
    found: Database = request.getfixturevalue(kind)
    return found


@pytest.fixture(scope="session")
def dumps(request: pytest.FixtureRequest) -> Path:
    """The folder with the server dumps."""
    return request.config.stash[SERVICES].dumps()


@pytest.fixture(scope="session")
def dump_templates(dumps: Path, postgres_server: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Restores a dump once; returns the name of the database to make copies of."""
    restored: dict[str, str] = {}

    def restore(name: str) -> str:
        if name not in restored:
            restored[name] = postgres_server.restore(dumps / f"{name}.dump")
        return restored[name]

    yield restore
    for database_name in restored.values():
        postgres_server.drop_database(database_name)


@pytest.fixture
def restored_dump(
    postgres_server: PostgresServer, dump_templates: Callable[[str], str]
) -> Iterator[Callable[[str], str]]:
    """`restored_dump("zulip10-small")` is the URL of a new copy of that server's database."""
    made: list[str] = []

    def copy(name: str) -> str:
        made.append(postgres_server.create_database(template=dump_templates(name)))
        return postgres_server.database_url(made[-1])

    yield copy
    for database_name in made:
        postgres_server.drop_database(database_name)


@pytest.fixture
def zops(tmp_path: Path) -> Iterator[Zops]:
    """The installed command, with a home of its own (`zcore.testing.commands.Zops`)."""
    runner = Zops(tmp_path)
    yield runner
    runner.stop_all()
