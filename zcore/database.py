"""The database: connect, read one moment, write in bulk, reserve ids in bulk.

PostgreSQL and SQLite stand behind the same calls:

* `Database.begin()` and `Database.read()` for a few rows through SQLAlchemy,
* `Database.snapshot()` for rows out in bulk, all readers at one moment,
* `Database.writer()` for rows in in bulk, whole or not at all.

Everything that a database server or file can answer becomes one of our errors here, so that
commands never show a driver's traceback.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from zcore.database_errors import translated
from zcore.database_file import file_of, is_there, make_file, require_file
from zcore.errors import Refused
from zcore.rows_in import Writer
from zcore.rows_out import PostgresSnapshot, Snapshot, SQLiteSnapshot
from zcore.sql_text import add_functions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

    from zcore.settings import Settings

Dialect = Literal["postgresql", "sqlite"]
LOCK_TIMEOUT_SECONDS = 30


class Database:
    """A server's database, PostgreSQL or SQLite. Safe to use from several threads."""

    def __init__(self, url: URL, *, is_default: bool = False) -> None:
        self.url = url
        self.is_default = is_default
        self.dialect: Dialect = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        self.cancelled = False
        self.engine = sa.create_engine(
            url,
            max_overflow=-1,  # whoever asks for more, gets more
            connect_args=_keepalive(url) if self.dialect == "postgresql" else {},
        )
        self._open_connections: set[DBAPIConnection] = set()
        self._watch_connections()
        prepare = _prepare_sqlite if self.dialect == "sqlite" else _prepare_postgres
        prepare(self.engine)

    def __repr__(self) -> str:
        return f"Database({self.name})"

    @property
    def name(self) -> str:
        """The URL as it may be shown: without its password."""
        return self.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, settings: Settings) -> Database:
        """The database that `settings` name, with tables in it.

        Only the default SQLite file is created by first use. Raises `Refused` when the database
        or file is not there or holds no Zulip tables, `Unreachable` when the server does not
        answer or does not let us in.
        """
        is_default = settings.is_default("database_url")
        if is_default:
            settings.require_no_server("the database")
        database = cls.connect(settings.database_url, create=is_default, is_default=is_default)
        try:
            database.require_tables()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def connect(cls, url: str, *, create: bool = False, is_default: bool = False) -> Database:
        """Connect to `url`; with `create`, a missing SQLite file is made, tables and all.

        Raises `Refused` (not a URL we know, not there) or `Unreachable`.
        """
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite":
            path = file_of(parsed)
            if create and not is_there(path):
                make_file(path, lambda draft: _make_tables(parsed.set(database=str(draft))))
            require_file(path)
        database = cls(parsed, is_default=is_default)
        with database.read():
            pass
        return database

    def create_tables(self) -> None:
        """Create every table that zops knows; nothing may be there yet."""
        from zcore.schema import create_tables

        if self.dialect == "sqlite":  # so that reading and writing do not wait for each other
            with translated(self), self.engine.connect() as connection:
                _outside_of_transactions(connection, "PRAGMA journal_mode = WAL")
        with self.begin() as connection:
            create_tables(connection)

    @property
    def has_tables(self) -> bool:
        """Are Zulip's tables there?"""
        with self.read() as connection:
            return sa.inspect(connection).has_table("zerver_realm")

    def require_tables(self) -> None:
        """Raise `Refused` when Zulip's tables are not there."""
        if not self.has_tables:
            raise Refused(
                f"{self.name} holds no Zulip tables",
                code="no-tables",
                hint="create them with 'zops db init', or name the right database",
            )

    @property
    def is_server(self) -> bool:
        """Is this the database of a running Zulip server, which keeps a list of migrations?"""
        from zcore.schema.server import django_migrations

        if self.dialect == "sqlite":
            return False
        with self.read() as connection:
            found = sa.select(django_migrations.c.id).limit(1)
            return connection.execute(found).first() is not None

    @contextmanager
    def begin(self, *, patience: float | None = None) -> Iterator[sa.Connection]:
        """One write transaction: committed at the end, rolled back on an exception.

        Foreign keys are checked at commit. On SQLite the write lock is taken at once; `patience`
        is for how many seconds it is waited for (None: for `LOCK_TIMEOUT_SECONDS`).
        """
        with (
            translated(self),
            self.engine.connect() as connection,
            _waiting(connection, patience),
            connection.begin(),
        ):
            _defer_foreign_keys(connection)
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One read transaction. The database refuses to write in it."""
        with translated(self), self.engine.connect() as connection:
            yield connection.execution_options(zops_read_only=True, postgresql_readonly=True)

    @property
    def read_only(self) -> ReadOnlyDatabase:
        """The same database for those who may only look."""
        return ReadOnlyDatabase(self)

    @contextmanager
    def snapshot(self, readers: int = 1) -> Iterator[Snapshot]:
        """Up to `readers` connections that all see the same moment.

        On SQLite there is one reader, whatever was asked for.
        """
        kind = SQLiteSnapshot if self.dialect == "sqlite" else PostgresSnapshot
        with translated(self), kind(self.engine, readers) as snapshot:
            yield snapshot

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """One write transaction for rows in bulk: whole or not at all."""
        with self.begin() as connection:
            yield Writer(connection)

    def cancel(self) -> None:
        """Stop what the database is doing for us, from another thread; it ends as `Interrupted`."""
        self.cancelled = True
        for connection in tuple(self._open_connections):
            if self.dialect == "sqlite":
                connection.interrupt()
            else:
                connection.cancel()

    @property
    def session_numbers(self) -> list[int]:
        """What a PostgreSQL server calls our own sessions, `pid` in its views; none on SQLite."""
        if self.dialect == "sqlite":
            return []
        return [connection.get_backend_pid() for connection in tuple(self._open_connections)]

    def _watch_connections(self) -> None:
        event.listen(
            self.engine, "connect", lambda connection, _: self._open_connections.add(connection)
        )
        event.listen(
            self.engine, "close", lambda connection, _: self._open_connections.discard(connection)
        )

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


class ReadOnlyDatabase:
    """A database to look into: what validators of other packages get.

    `read()` is that of `Database`; `dialect` is "postgresql" or "sqlite".
    """

    def __init__(self, database: Database) -> None:
        self.dialect = database.dialect
        self.read = database.read


def parse_url(url: str) -> URL:
    """`url` as SQLAlchemy wants it, with our drivers. Raises `Refused` when it is none we know."""
    hint = "use postgresql://user@host/database or sqlite:////path/to/file"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Refused("the database setting is not a database URL", hint=hint) from None
    name = parsed.get_backend_name()
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg2")
    if name == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    raise Refused(f"zops does not know databases of the kind {name!r}", hint=hint)


def _keepalive(url: URL) -> dict[str, int]:
    """See after a minute that a server is gone, unless the URL says otherwise, not after hours."""
    wanted = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    return {name: number for name, number in wanted.items() if name not in url.query}


def _make_tables(url: URL) -> None:
    """Fill the empty SQLite file."""
    database = Database(url)
    try:
        database.create_tables()
    finally:
        database.close()


def _outside_of_transactions(connection: sa.Connection, statement: str) -> None:
    """Run what SQLite refuses inside of one."""
    driver_error = connection.dialect.loaded_dbapi.Error
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
    except driver_error as error:
        raise DBAPIError.instance(statement, None, error, driver_error) from error
    finally:
        cursor.close()


@contextmanager
def _waiting(connection: sa.Connection, patience: float | None) -> Iterator[None]:
    """On SQLite, wait for locks no longer than so many seconds; None is as long as usual."""
    if connection.dialect.name != "sqlite" or patience is None:
        yield
        return
    _outside_of_transactions(connection, f"PRAGMA busy_timeout = {int(patience * 1000)}")
    try:
        yield
    finally:
        usual = f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}"
        _outside_of_transactions(connection, usual)


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Take transactions into our own hands: the driver's implicit ones start too late."""

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        add_functions(connection)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -4000")  # KiB; more takes memory and saves no time
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        read_only = connection.get_execution_options().get("zops_read_only", False)
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if read_only else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _prepare_postgres(engine: sa.Engine) -> None:
    """Every session speaks UTC and UTF-8 and sees Zulip's schema."""

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(
            "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET client_encoding = 'UTF8';"
            "SET application_name = 'zops';"
            # Compiling a query takes longer than any of ours runs on few rows.
            "SET jit = off;"
            # A server keeps its tables in the schema `zulip`; its own role finds them there.
            "SELECT to_regclass('zerver_realm') IS NULL"
            " AND to_regclass('zulip.zerver_realm') IS NOT NULL"
        )
        hidden = cursor.fetchone()
        if hidden is not None and hidden[0]:
            cursor.execute("SET search_path = zulip, public")
        cursor.close()
        connection.commit()

    @event.listens_for(engine, "checkout")
    def forget(connection: DBAPIConnection, *_: object) -> None:
        # What was read before has left it with transactions that may write, whatever the server's
        # own default for this role and database is.
        connection.readonly = None


def _defer_foreign_keys(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    else:
        connection.exec_driver_sql("SET CONSTRAINTS ALL DEFERRED")


__all__ = ["DBAPIError", "Database", "Dialect", "ReadOnlyDatabase", "parse_url"]
