"""Deleting an organization from a server's database leaves every other row as it was."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.sessions_of_django import sessions
from tests.zops_realm.server_leftovers import CLEARED, leave_rows
from zcore.database import Database
from zcore.errors import ExitCode
from zops_realm.catalogue import read_catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zcore.testing.commands import Zops

EXPORT = Path(__file__).parents[1] / "interop" / "small-full.tar.gz"
HOST = {"ZOPS_EXTERNAL_HOST": "peer.example.test", "ZOPS_AVATAR_SALT": "salt"}
SMALL = 4  # the id of `small`
WRITTEN_BY_EXPORTS = ("zerver_realmexport", "zerver_realmauditlog")
# Of what `leave_rows` wrote, the rows of `small`, with those of the same tables.
LEFT_BY_ONE = {
    "acme_note": 1,
    "acme_reply": 1,
    "confirmation_confirmation": 2,  # one was there
    "django_session": 1,
    "social_auth_usersocialauth": 1,
    "zerver_archivedmessage": 1,
    "zerver_archivedusermessage": 1,
    "zerver_archivetransaction": 1,
    "zerver_preregistrationrealm": 1,
    "zerver_preregistrationuser": 1,
    "zerver_realmreactivationstatus": 1,
}
# An import leaves these to the server as a whole.
OF_THE_SERVER = {"zerver_client"}


Everything = dict[str, Counter[str]]


def everything(database: Database) -> Everything:
    """The sums of all rows of every table that is there."""
    with database.read() as connection:
        tables = read_catalogue(connection)
        return {name: Counter(_sums(connection, one.table)) for name, one in tables.items()}


def _sums(connection: sa.Connection, table: sa.TableClause) -> Iterator[str]:
    for row in connection.execute(sa.select(table)):
        yield hashlib.sha256(repr(row).encode()).hexdigest()


def different(first: Everything, second: Everything) -> set[str]:
    return {name for name in first if first[name] != second[name]} - OF_THE_SERVER


@pytest.fixture
def database(server: Zops) -> Iterator[Database]:
    """The server's database."""
    with closing(Database.connect(server.environment["ZOPS_DATABASE"])) as database:
        yield database


@pytest.fixture
def server(zops: Zops, restored_dump: Callable[[str], str]) -> Zops:
    """The command beside a server with the organization `small`."""
    uploads = zops.folder / "uploads"
    zops.environment |= {"ZOPS_DATABASE": restored_dump("zulip10-small"), **HOST}
    zops.environment["ZOPS_UPLOADS"] = str(uploads)
    return zops


def uploaded(server: Zops) -> set[str]:
    """The folders of organizations that have uploaded files."""
    root = server.folder / "uploads"
    return {path.relative_to(root).parts[1] for path in root.rglob("*") if path.is_file()}


def exported_rows(server: Zops, string_id: str) -> dict[str, int]:
    """Rows by table of an export, without those that exports themselves write."""
    target = server.folder / f"{string_id}-{len(list(server.folder.iterdir()))}"
    words = ("--json", "export", "-r", string_id, "--output", target)
    done = server(*words, exit_code=ExitCode.FINDINGS).json()
    assert {finding["code"] for finding in done["findings"]} == {"unknown-table"}
    rows: dict[str, int] = done["rows"]
    return {table: count for table, count in rows.items() if table not in WRITTEN_BY_EXPORTS}


def test_what_an_import_brought_goes_without_a_trace(server: Zops, database: Database) -> None:
    before = everything(database)
    imported = server("--json", "import", "copy", EXPORT).json()
    after_import = everything(database)
    assert uploaded(server) == {str(imported["realm_id"])}

    planned = server("--json", "realm", "delete", "copy", "--dry-run").json()
    assert everything(database) == after_import
    deleted = server("--json", "realm", "delete", "copy", "--yes-delete", "copy").json()

    assert different(before, everything(database)) == set()
    assert uploaded(server) == set()
    assert deleted["rows"].items() >= (imported["rows"] | {"zerver_realmauditlog": 341}).items()
    assert (planned["rows"], planned["files"]) == (deleted["rows"], deleted["files"])


def test_every_table_loses_the_rows_of_one_organization_only(
    server: Zops, database: Database
) -> None:
    copy_id = server("--json", "import", "copy", EXPORT).json()["realm_id"]
    leave_rows(database, one=SMALL, other=copy_id)
    rows_of_copy, before = exported_rows(server, "copy"), everything(database)

    deleted = server("--json", "realm", "delete", "small", "--yes-delete", "small").json()

    after = everything(database)
    for table, rows in before.items():
        changed = after[table] - rows
        assert changed.total() == CLEARED.get(table, 0), table
        lost = (rows - after[table]).total() - changed.total()
        assert lost == deleted["rows"].get(table, 0), table
    assert exported_rows(server, "copy") == rows_of_copy
    assert sessions(database) == {"other"}
    assert deleted["rows"].items() >= LEFT_BY_ONE.items()
    assert uploaded(server) == {str(copy_id)}
    server("import", "small", EXPORT)


def test_where_the_files_are_is_not_guessed(server: Zops) -> None:
    del server.environment["ZOPS_UPLOADS"]
    words = ("--json", "realm", "delete", "small", "--dry-run")

    server(*words, check=False).assert_refused("files-unknown")

    assert server(*words, "--keep-files").json()["rows"]["zerver_message"] == 2013
