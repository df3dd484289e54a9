"""PostgreSQL servers that a test may do anything to: of their own, and standbys of them."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import psycopg2

from zcore.testing.postgres import PostgresServer, PrivatePostgres
from zcore.testing.processes import (
    Server,
    free_ports,
    private_folder,
    run_program,
    unprivileged_account,
)
from zcore.testing.programs import postgres_program

if TYPE_CHECKING:
    from pathlib import Path

REPLICATED = ("wal_level=replica", "max_wal_senders=4", "hot_standby=on")


def primary() -> PrivatePostgres:
    """A server that standbys can be made of, and that keeps what was committed when it crashes."""
    return PrivatePostgres((*REPLICATED, "synchronous_commit=on"))


class Standby(PostgresServer):
    """A copy of `primary` that follows it, and can only be read."""

    def __init__(self, primary: PostgresServer) -> None:
        account = unprivileged_account()
        self.folder = private_folder("standby", account)
        url = urlsplit(primary.url)
        environment = os.environ | {"PGPASSWORD": unquote(url.password or "")}
        copy: list[str | Path] = [postgres_program("pg_basebackup"), "-D", self.folder / "data"]
        copy += ["-h", str(url.hostname), "-p", str(url.port), "-U", str(url.username)]
        copy += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        try:
            run_program(copy, folder=self.folder, account=account, environment=environment)
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        (port,) = free_ports(1)
        super().__init__(
            url._replace(netloc=url.netloc.replace(f":{url.port}", f":{port}")).geturl()
        )
        command: list[str | Path] = [postgres_program("postgres"), "-D", self.folder / "data"]
        place = (f"port={port}", f"unix_socket_directories={self.folder}", *REPLICATED)
        for setting in (*place, "listen_addresses=127.0.0.1", "fsync=off"):
            command += ["-c", setting]
        self._server = Server(command, self.folder, account=account, stop_signal=signal.SIGQUIT)
        self._server.wait_until(self._answers)

    def stop(self) -> None:
        """End the server and remove its data."""
        self._server.stop()

    def _answers(self) -> bool:
        try:
            return self._ask("SELECT pg_is_in_recovery()") == "True"
        except psycopg2.OperationalError:
            return False


def crash(server: PostgresServer) -> None:
    """Let a server restart by itself, as it does when one of its processes is killed."""
    connection = psycopg2.connect(server.url)
    os.kill(connection.get_backend_pid(), signal.SIGKILL)
