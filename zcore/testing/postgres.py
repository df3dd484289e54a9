"""PostgreSQL for tests: a private server, or one that the environment names."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import psycopg2
import psycopg2.sql

from zcore.testing.processes import (
    Account,
    Server,
    ServiceFailed,
    free_ports,
    private_folder,
    run_program,
    unprivileged_account,
)
from zcore.testing.programs import postgres_program

if TYPE_CHECKING:
    from collections.abc import Iterable

USER = "zops"

# The data are thrown away after the tests: nothing needs to survive a power cut.
FAST = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_wal_size=1GB",
    "autovacuum=off",
    "shared_buffers=64MB",
)

# How to copy a database. By way of the log, as is usual since 15, a server is spared a checkpoint;
# without fsync that is nothing, and copying files takes a fifth of the time.
FILE_COPY = psycopg2.sql.SQL(" STRATEGY FILE_COPY")
FIRST_WITH_STRATEGIES = 15


class PostgresServer:
    """A server on which databases can be made and dropped.

    `url` is that of its maintenance database, with the password.
    """

    strategy: psycopg2.sql.Composable = psycopg2.sql.SQL("")

    def __init__(self, url: str) -> None:
        self.url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)

    @property
    def version(self) -> str:
        """What the server calls itself, such as "15.6"."""
        return str(self._ask("SHOW server_version").split()[0])

    def database_url(self, name: str) -> str:
        """The URL of the database `name` on this server."""
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def create_database(self, *, template: str | None = None) -> str:
        """Make a database with a new name, empty or a copy of `template`; returns the name."""
        name = f"zops_test_{secrets.token_hex(6)}"
        statement = psycopg2.sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            psycopg2.sql.Identifier(name), psycopg2.sql.Identifier(template or "template0")
        )
        self._run(statement + self.strategy)
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, also while connections to it are open."""
        statement = psycopg2.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._run(statement.format(psycopg2.sql.Identifier(name)))

    def restore(self, dump: Path) -> str:
        """Make a database from a `pg_dump` archive; returns its name."""
        program = postgres_program("pg_restore")
        name = self.create_database()
        url = urlsplit(self.database_url(name))
        # The password goes through the environment: every user can see a command line.
        place = url._replace(netloc=url.netloc.replace(f":{url.password}@", "@")).geturl()
        environment = os.environ | {"PGPASSWORD": unquote(url.password or "")}
        command: list[str | Path] = [program, "--no-owner", "--exit-on-error", "-d", place, dump]
        try:
            run_program(command, folder=Path("/"), environment=environment)
        except BaseException:
            self.drop_database(name)
            raise
        return name

    def stop(self) -> None:
        """Nothing to do: somebody else's server stays."""

    def _run(self, statement: psycopg2.sql.Composable) -> None:
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def _ask(self, question: str) -> str:
        connection = psycopg2.connect(self.url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(question)
                row = cursor.fetchone()
        finally:
            connection.close()
        return str(row[0]) if row else ""


class Copies:
    """Copies of one database, the next of which is made while a test works on the one before.

    Making one takes a tenth of a second and more, most of it the server's.
    """

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="copies")
        self._drops: list[Future[None]] = []
        self._next = self._make()

    def take(self) -> str:
        """The name of a copy that nobody has used."""
        name = self._next.result()
        self._next = self._make()
        return name

    def give_back(self, name: str) -> None:
        """Drop a copy that nobody uses any more, some time soon."""
        self._drops.append(self._aside.submit(self._server.drop_database, name))

    def close(self) -> None:
        """Drop what is left. Raises what went wrong aside."""
        self.give_back(self._next.result())
        self._aside.shutdown()
        for drop in self._drops:
            drop.result()

    def _make(self) -> Future[str]:
        return self._aside.submit(self._server.create_database, template=self._template)


class PrivatePostgres(PostgresServer):
    """A server of our own: 127.0.0.1 on a free port, a socket and all data in a temporary folder.

    `settings` (`"work_mem=16MB"`) are added to those of a server for tests. Raises
    `ServiceMissing` when PostgreSQL is not installed, `ServiceFailed` when it will not run.
    """

    def __init__(self, settings: Iterable[str] = ()) -> None:
        program = postgres_program("postgres")
        account = unprivileged_account()
        self.folder = private_folder("postgres", account)
        self.password = secrets.token_urlsafe(12)
        try:
            _make_cluster(self.folder, self.password, account)
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        (port,) = free_ports(1)
        super().__init__(f"postgresql://{USER}:{quote(self.password)}@127.0.0.1:{port}/postgres")
        own = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
        )
        command: list[str | Path] = [program, "-D", self.folder / "data"]
        for setting in (*own, *FAST, *settings):
            command += ["-c", setting]
        # SIGQUIT ends it at once, without a checkpoint that nobody needs.
        self._server = Server(command, self.folder, account=account, stop_signal=signal.SIGQUIT)
        self._server.wait_until(self._answers)
        if int(self.version.split(".")[0]) >= FIRST_WITH_STRATEGIES:
            self.strategy = FILE_COPY

    def stop(self) -> None:
        """End the server and remove its data."""
        self._server.stop()

    def _answers(self) -> bool:
        try:
            return self._ask("SELECT 1") == "1"
        except psycopg2.OperationalError:
            return False


def _make_cluster(folder: Path, password: str, account: Account | None) -> None:
    """Run `initdb`, with the locale of a Zulip server where this machine has it."""
    password_file = folder / "password"
    password_file.touch(0o600)
    password_file.write_text(password, "utf-8")
    if account is not None:
        os.chown(password_file, account.user, account.group)
    command = [str(postgres_program("initdb")), "-D", str(folder / "data"), "-U", USER]
    command += ["--no-sync", "--encoding=UTF8", f"--pwfile={password_file}"]
    command += ["--auth-host=scram-sha-256", "--auth-local=trust"]
    try:
        run_program([*command, "--locale=C.UTF-8"], folder=folder, account=account)
    except ServiceFailed:
        run_program([*command, "--locale=C"], folder=folder, account=account)
    password_file.unlink()
