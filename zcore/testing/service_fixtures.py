"""The fixtures for databases and brokers; `zcore.testing` tells of them."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import pytest

from zcore.testing.postgres import Copies
from zcore.testing.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.database import Database
    from zcore.testing.memcached import MemcachedServer
    from zcore.testing.postgres import PostgresServer
    from zcore.testing.rabbitmq import RabbitMQServer
    from zcore.testing.s3 import S3Buckets, S3Server


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
def memcached(request: pytest.FixtureRequest) -> Iterator[MemcachedServer]:
    """A memcached that all tests share: each has keys of its own."""
    server = request.config.stash[SERVICES].memcached()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database with all tables and no rows, for making copies of."""
    name = postgres_server.create_database()
    with contextlib.closing(_connect(postgres_server.database_url(name))) as database:
        database.create_tables()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def copies_of_template(postgres_server: PostgresServer, postgres_template: str) -> Iterator[Copies]:
    """Copies of `postgres_template`, made ahead."""
    with contextlib.closing(Copies(postgres_server, postgres_template)) as copies:
        yield copies


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, copies_of_template: Copies) -> Iterator[str]:
    """The URL of a new database with all tables and no rows."""
    name = copies_of_template.take()
    yield postgres_server.database_url(name)
    copies_of_template.give_back(name)


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
