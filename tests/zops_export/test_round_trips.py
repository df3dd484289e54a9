"""What came from a Zulip server and went through a database of ours comes out as it was."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.comparing import assert_agree
from tests.interop.reading import REAL_EXPORTS, WholeExport
from tests.zops_export.conftest import ZopsHere
from zcore.database import Database
from zcore.internal_realm import ensure_internal_realm
from zcore.schema.activity import zerver_client as clients
from zcore.schema.channels import zerver_recipient as recipients
from zcore.schema.messages import zerver_message as messages
from zcore.schema.users import zerver_userprofile as users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.testing.postgres import PostgresServer

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
AS_FOLDER = ("full", "public")  # the others come in as archives
TO_FOLDER = ("full", "consent")  # the others go out as archives
MILLION = 1_000_000


class Moved:
    """A database that all four real exports were imported into, and what came out of it again."""

    def __init__(self, database: Database, folder: Path, unpacked: Callable[[str], Path]) -> None:
        self.folder = folder
        self.zops = ZopsHere(folder).on(database)
        self._exported: dict[str, Path] = {}
        for name, archive in REAL_EXPORTS.items():
            source = unpacked(name) if name in AS_FOLDER else archive
            self.zops("import", f"moved-{name}", source)
        if database.dialect == "postgresql":  # as a server's autovacuum does soon
            with database.begin() as connection:
                connection.execute(sa.text("ANALYZE"))

    def exported(self, name: str, *options: str) -> Path:
        """The organization that came from the real export `name`, exported by us."""
        key = "".join((name, *options))
        if key not in self._exported:
            suffix = "" if name in TO_FOLDER else ".tar.gz"
            self._exported[key] = self.folder / f"{key}{suffix}"
            self.zops("export", "-r", f"moved-{name}", "--output", self._exported[key], *options)
        return self._exported[key]


@pytest.fixture(scope="module")
def database_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Database]]:
    """`database_of("sqlite")`: a new database of that kind with all tables."""
    with contextlib.ExitStack() as stack:

        def make(kind: str) -> Database:
            if kind == "sqlite":
                path = tmp_path_factory.mktemp("database") / "zops.db"
                database = Database.connect(f"sqlite:///{path}", create=True)
            else:
                server: PostgresServer = request.getfixturevalue("postgres_server")
                name = server.create_database(template=request.getfixturevalue("postgres_template"))
                stack.callback(server.drop_database, name)
                database = Database.connect(server.database_url(name))
            _grow_old(database)
            return stack.enter_context(contextlib.closing(database))

        yield make


def _grow_old(database: Database) -> None:
    """Let the next message be the millionth. Links in the real exports lead to messages that they
    do not carry; such a number stays as it is, and must not be another message's by chance."""
    with database.begin() as connection:
        ensure_internal_realm(connection)
        user = connection.execute(sa.select(sa.func.min(users.c.id))).scalar_one()
        values = {
            "id": MILLION,
            "realm_id": sa.select(users.c.realm_id).where(users.c.id == user).scalar_subquery(),
            "recipient_id": sa.select(sa.func.min(recipients.c.id)).scalar_subquery(),
            "sending_client_id": sa.select(sa.func.min(clients.c.id)).scalar_subquery(),
            "sender_id": user,
            "subject": "",
            "content": "hello, old server",
            "date_sent": datetime(2015, 1, 1, tzinfo=UTC),
        }
        connection.execute(sa.insert(messages).values(values))
        if database.dialect == "postgresql":
            sequence = sa.func.pg_get_serial_sequence("zerver_message", "id")
            connection.execute(sa.select(sa.func.setval(sequence, MILLION)))


@pytest.fixture(scope="module")
def moved(
    database_of: Callable[[str], Database],
    unpacked: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Moved]:
    """`moved("sqlite")`: the real exports, moved through a database of that kind."""
    made: dict[str, Moved] = {}

    def move(kind: str) -> Moved:
        if kind not in made:
            made[kind] = Moved(database_of(kind), tmp_path_factory.mktemp(kind), unpacked)
        return made[kind]

    return move


@pytest.mark.parametrize("name", REAL_EXPORTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_of_an_import_is_the_original(
    kind: str,
    name: str,
    moved: Callable[[str], Moved],
    originals: Callable[[str], WholeExport],
) -> None:
    again = WholeExport.read(moved(kind).exported(name))
    assert_agree(originals(name), again)


@pytest.mark.parametrize("name", ["public", "consent"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_modes_choose_what_the_server_chooses(
    kind: str,
    name: str,
    moved: Callable[[str], Moved],
    originals: Callable[[str], WholeExport],
) -> None:
    option = {"public": "--public-only", "consent": "--export-full-with-consent"}[name]
    ours = WholeExport.read(moved(kind).exported("full", option))
    assert_agree(originals(name), ours, other_database=True)


@pytest.mark.postgres
@pytest.mark.parametrize(("kind", "other"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_from_one_database_to_the_other(
    kind: str,
    other: str,
    moved: Callable[[str], Moved],
    database_of: Callable[[str], Database],
    originals: Callable[[str], WholeExport],
    zops_here: ZopsHere,
    tmp_path: Path,
) -> None:
    zops_here.on(database_of(other))
    zops_here("import", "acme", moved(kind).exported("full"))
    zops_here("export", "-r", "acme", "--output", tmp_path / "again.tar.gz")
    assert_agree(originals("full"), WholeExport.read(tmp_path / "again.tar.gz"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_export_is_whole(kind: str, moved: Callable[[str], Moved]) -> None:
    for name in REAL_EXPORTS:
        result = moved(kind).zops("--json", "verify", moved(kind).exported(name)).json()
        assert result["problems"] == []
