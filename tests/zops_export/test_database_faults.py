"""Exports from a standby, from a server that restarts, and over a network that goes down."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.breaking import BreakingProxy
from tests.zops_export.servers import Standby, crash, primary
from tests.zops_export.spoiling import Watched, assert_said_no
from tests.zops_export.test_bookkeeping import assert_works_without, states
from tests.zops_export.test_interruptions import Held
from tests.zops_realm.realm_state import realm_row
from zcore.database import Database
from zcore.testing.processes import ServiceMissing
from zcore.testing.realm_rows import make_realm
from zops_export import bookkeeping
from zops_export.export_row import ExportStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zcore.testing import SampleRealm, Zops, ZopsInProcess
    from zcore.testing.postgres import PostgresServer

pytestmark = pytest.mark.postgres
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="kills a process of the server's account")


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that only the tests here use."""
    try:
        server = primary()
    except ServiceMissing as missing:
        pytest.skip(str(missing))
    yield server
    server.stop()


@pytest.fixture
def own_database(own_server: PostgresServer) -> Iterator[Database]:
    """A database on it with all tables."""
    name = own_server.create_database()
    with closing(Database.connect(own_server.database_url(name))) as database:
        database.create_tables()
        yield database
    own_server.drop_database(name)


@pytest.fixture
def acme(own_database: Database, uploads: Path, zops_environment: dict[str, str]) -> SampleRealm:
    """An organization in it, on which every run of `zops` works."""
    zops_environment["ZOPS_DATABASE"] = own_database.url.render_as_string(hide_password=False)
    return make_realm(own_database, uploads, "acme", "Acme")


@contextmanager
def stopping(server: PostgresServer) -> Iterator[PostgresServer]:
    """The server, which is ended in the end."""
    yield server
    server.stop()


def test_from_a_standby(
    zops_in_process: ZopsInProcess,
    own_server: PostgresServer,
    own_database: Database,
    acme: SampleRealm,
    tmp_path: Path,
) -> None:
    with stopping(Standby(own_server)) as standby:
        url = standby.database_url(str(own_database.url.database))
        zops_in_process.environment["ZOPS_DATABASE"] = url
        assert_works_without(zops_in_process, tmp_path, "read-only transaction")
    assert states(own_database) == []


@needs_root
def test_of_a_server_that_restarts(
    zops: Zops,
    own_server: PostgresServer,
    own_database: Database,
    acme: SampleRealm,
    tmp_path: Path,
) -> None:
    """When it is there again, it is told that the export failed."""
    held = Held(zops, tmp_path, "export", "uploads")
    (tmp_path / "out").mkdir()
    with Watched(own_database, tmp_path / "out").unchanged(apart_from="zerver_realmexport"):
        process = held.start("export", "-r", "acme", "--output", tmp_path / "out" / "acme.tar.gz")
        crash(own_server)
        code, stdout, stderr = held.end(process)
        own_database.engine.dispose()
    assert (code, stdout) == (4, "")
    *_, line = stderr.splitlines()
    assert line.startswith("zops: error: the database server at 127.0.0.1")
    assert states(own_database) == [ExportStatus.FAILED]


def test_of_a_network_that_goes_down(
    zops_in_process: ZopsInProcess,
    own_database: Database,
    acme: SampleRealm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the middle of the rows; and it stays down, so that nothing can be written down."""
    monkeypatch.setattr(bookkeeping, "PATIENCE_SECONDS", 0.0)
    port = own_database.url.port
    (tmp_path / "out").mkdir()
    with BreakingProxy(f"http://127.0.0.1:{port}") as proxy:
        proxy.goes_down_at = b"TO STDOUT"
        url = own_database.url.set(port=int(proxy.url.rpartition(":")[2]))
        zops_in_process.environment["ZOPS_DATABASE"] = url.render_as_string(hide_password=False)
        words = (
            "export",
            "-r",
            "acme",
            "--output",
            tmp_path / "out" / "acme",
            "--deactivate-realm",
        )
        done = zops_in_process(*words, exit_code=4)
    assert list((tmp_path / "out").iterdir()) == []
    warning, *error = done.stderr.splitlines()
    assert "'acme' is still deactivated ('zops realm reactivate acme' opens it again)" in warning
    assert_said_no("\n".join(error), about="the database server at 127.0.0.1")
    assert states(own_database) == [ExportStatus.STARTED]
    assert realm_row(own_database, acme.realm_id)["deactivated"]
