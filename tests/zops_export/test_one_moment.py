"""An export beside a server that goes on writing: it shows one moment, and nobody waits for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.reading import WholeExport
from tests.zops_export.building import Builder
from zcore.schema import tables
from zops_export import message_stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere
    from zcore.database import Database
    from zcore.testing.plugins import TemporaryPlugins

LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")
MESSAGES = 400
AT_ONCE = 20  # messages in a file, here: many files are written meanwhile

PLUGIN = """
    from zcore import Stage, hookimpl

    @hookimpl
    def zops_export_stages():
        return [
            Stage("hold", "dist_of_hold.work:hold", needs=("realm",), before=("messages",)),
            Stage("hold-again", "dist_of_hold.work:hold", needs=("messages",),
                  before=("attachments", "stats")),
        ]
"""
HOLD = """
    import os, time

    def hold(job):
        "Wait until the others have changed some more."
        wanted = os.path.getsize(os.environ["CHANGES"]) + 5
        end = time.monotonic() + 60
        while os.path.getsize(os.environ["CHANGES"]) < wanted:
            assert time.monotonic() < end
            time.sleep(0.01)
"""


class Writer(threading.Thread):
    """Changes an organization again and again, each time in one transaction: somebody joins,
    writes and reacts, and an old message is deleted.

    A byte is added to the file `changes` for each. A lock that it has to wait for is an error.
    """

    def __init__(self, database: Database, builder: Builder, changes: Path) -> None:
        super().__init__()
        self.done = 0
        self.error: Exception | None = None
        self._database = database
        self._builder = builder
        self._changes = changes
        self._ending = threading.Event()
        changes.touch()

    def run(self) -> None:
        try:
            while self.done < MESSAGES and not self._ending.is_set():
                self._change(self.done)
                self.done += 1
                with self._changes.open("ab") as file:
                    file.write(b".")
        except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
            self.error = error

    def _change(self, number: int) -> None:
        with self._database.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = '500ms'"))
            build = self._builder.on(connection)
            name = f"new{number}"
            build.user(name, "hill")
            build.subscribe("#town", name)
            build.message(name, name, "#town", ["ann", name], realm="hill")
            build.reaction("smile", name, name)
            for table, column in (
                ("zerver_reaction", "message_id"),
                ("zerver_usermessage", "message_id"),
                ("zerver_message", "id"),
            ):
                old = tables[table].c[column] == build.ids["messages"][f"old{number}"]
                build.execute(sa.delete(tables[table]).where(old))

    def finish(self) -> None:
        """End it; raise what went wrong in it."""
        self._ending.set()
        self.join()
        if self.error is not None:
            raise self.error


@pytest.fixture
def writer(postgres_database: Database, tmp_path: Path) -> Iterator[Writer]:
    """Writes to the organization `hill`."""
    with postgres_database.begin() as connection:
        build = Builder(connection, tmp_path / "uploads")
        build.realm("hill")
        for name in ("ann", "ben"):
            build.user(name, "hill")
        build.channel("town", "hill")
        build.subscribe("#town", "ann", "ben")
        for number in range(MESSAGES):
            build.message(f"old{number}", "ann", "#town", ["ann", "ben"], realm="hill")
            build.reaction("smile", "ben", f"old{number}")
    writer = Writer(postgres_database, build, tmp_path / "changes")
    writer.start()
    yield writer
    writer.finish()


def test_an_export_shows_one_moment(
    writer: Writer,
    postgres_database: Database,
    zops_here: ZopsHere,
    temporary_plugins: TemporaryPlugins,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(message_stage, "MESSAGES_IN_A_FILE", AT_ONCE)
    temporary_plugins.install("hold", PLUGIN, work=HOLD)
    zops_here.environment["CHANGES"] = str(tmp_path / "changes")
    zops = zops_here.on(postgres_database)
    before = writer.done
    zops("export", "-r", "hill", "--output", tmp_path / "out", "--threads", "3")
    writer.finish()
    assert zops("--json", "verify", tmp_path / "out").json()["problems"] == []
    export = WholeExport.read(tmp_path / "out")
    contents = {row["content"] for row in export.tables["zerver_message"]}
    seen = sum(content.startswith("new") for content in contents)
    assert before <= seen < writer.done
    assert contents == {f"new{number}" for number in range(seen)} | {
        f"old{number}" for number in range(seen, MESSAGES)
    }
    users = {row["full_name"] for row in export.tables["zerver_userprofile"]}
    assert {name for name in users if name.startswith("new")} == {
        f"new{number}" for number in range(seen)
    }
    assert len(export.tables["zerver_usermessage"]) == 2 * len(contents)
    assert len(export.tables["zerver_reaction"]) == len(contents)


def test_limits_of_a_server_do_not_end_it(postgres_database: Database) -> None:
    """It may take long, and wait for others, on every connection."""
    with postgres_database.begin() as connection:
        name = connection.dialect.identifier_preparer.quote(str(connection.engine.url.database))
        for limit in LIMITS:
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET {limit} = '7s'")
    postgres_database.engine.dispose()
    with postgres_database.read() as connection:
        assert [_limit(connection, limit) for limit in LIMITS] == ["7s", "7s"]
    with (
        postgres_database.snapshot(2) as snapshot,
        snapshot.reader() as one,
        snapshot.reader() as other,
    ):
        for reader in (one, other):
            assert [_limit(reader.connection, limit) for limit in LIMITS] == ["0", "0"]


def _limit(connection: sa.Connection, name: str) -> str:
    return str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())
