"""With the databases of real Zulip servers: exports as the server makes them, imports beside it."""

from __future__ import annotations

import configparser
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.comparing import MARK, assert_agree, differences_by_id
from tests.interop.reading import REAL_EXPORTS, WholeExport
from tests.zops_export.spoiling import Watched, refuse
from zcore.database import Database
from zcore.schema.messages import zerver_message as messages
from zcore.schema.users import zerver_userprofile as users
from zcore.testing.archives import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zops_export.conftest import ZopsHere

    Server = Callable[[str], ZopsHere]
    Originals = Callable[[str], WholeExport]

MODES = {
    "full-first": "--full",
    "public": "--public-only",
    "consent": "--export-full-with-consent",
    "full": "--full",
}
# What the server itself writes anew with each export
VOLATILE = frozenset({"zerver_realmexport"})


@pytest.fixture
def beside_server(
    zops_here: ZopsHere, restored_dump: Callable[[str], str], dumps: Path, tmp_path: Path
) -> Server:
    """`beside_server("zulip10-small")`: zops on a copy of that server's database, and files."""

    def start(name: str) -> ZopsHere:
        zops_here.environment["ZOPS_DATABASE"] = restored_dump(name)
        if name == "zulip10-small":
            unpack(dumps / "uploads-small.tar.gz", tmp_path / "server")
            (files,) = (tmp_path / "server").rglob("avatars")
            zops_here.environment["ZOPS_UPLOADS"] = str(files.parent)
            secrets = configparser.ConfigParser()
            secrets.read(dumps / "zulip-secrets.conf")
            zops_here.environment["ZOPS_AVATAR_SALT"] = secrets["secrets"]["avatar_salt"]
        return zops_here

    return start


@pytest.mark.parametrize("name", MODES)
def test_an_export_is_the_servers_row_by_row(
    name: str,
    beside_server: Server,
    originals: Originals,
    tmp_path: Path,
) -> None:
    zops = beside_server("zulip10-small")
    output = tmp_path / f"acme{'.tar.gz' if name == 'public' else ''}"
    zops("export", "-r", "small", "--output", output, MODES[name], "--threads", "2")
    ours, servers = WholeExport.read(output), originals(name)
    assert _without_marks(ours) == _without_marks(servers)
    found = differences_by_id(servers, ours, VOLATILE | {"zerver_realmauditlog"})
    assert not found, "\n".join(found)
    assert ours.files == servers.files
    for kind, records in servers.records.items():
        assert _without_times(ours.records[kind]) == _without_times(records)
    assert ours.others["migration_status.json"] == servers.others["migration_status.json"]


def _without_marks(export: WholeExport) -> list[object]:
    rows = export.tables["zerver_realmauditlog"]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    return [row for row in rows if row["event_type"] != MARK]


def _without_times(records: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{key: record[key] for key in record if key != "last_modified"} for record in records]


def test_the_first_export_gets_the_mark_that_the_server_forgets(
    beside_server: Server,
    originals: Originals,
    tmp_path: Path,
) -> None:
    zops = beside_server("zulip10-small")
    zops("export", "-r", "small", "--output", tmp_path / "acme")
    (mark,) = [
        row
        for row in WholeExport.read(tmp_path / "acme").tables["zerver_realmauditlog"]
        if row["event_type"] == MARK
    ]
    like = originals("full").tables["zerver_realmauditlog"][0]
    assert mark.keys() == like.keys()
    assert {kind: type(mark[kind]) for kind in ("id", "event_time", "extra_data")} == {
        "id": int,
        "event_time": float,
        "extra_data": dict,
    }
    assert (mark["realm"], mark["backfilled"], mark["acting_user"]) == (4, False, None)


@pytest.mark.parametrize("name", REAL_EXPORTS)
def test_an_import_beside_other_organizations(
    name: str,
    beside_server: Server,
    originals: Originals,
    tmp_path: Path,
) -> None:
    """They have users, channels and messages of their own, and keep them."""
    zops = beside_server("zulip10-base")
    database = Database.connect(zops.environment["ZOPS_DATABASE"])
    before = _others(database)
    zops("import", "acme", REAL_EXPORTS[name])
    assert _others(database) == before
    database.close()
    zops("export", "-r", "acme", "--output", tmp_path / "acme")
    assert_agree(originals(name), WholeExport.read(tmp_path / "acme"))


def _others(database: Database) -> dict[str, object]:
    """Rows of the other organizations of the server."""
    with database.read() as connection:
        mine = sa.text("(SELECT id FROM zerver_realm WHERE string_id = 'acme')")
        return {
            table.name: connection.execute(
                sa.select(table).where(table.c.realm_id.not_in(mine)).order_by(table.c.id)
            ).all()
            for table in (users, messages)
        }


def test_back_into_the_server_it_came_from(
    beside_server: Server,
    originals: Originals,
    tmp_path: Path,
) -> None:
    """The same organization twice: everything unique of it has to be new."""
    zops = beside_server("zulip10-small")
    database = Database.connect(zops.environment["ZOPS_DATABASE"])
    with database.begin() as connection:  # see `test_round_trips` for why
        connection.execute(sa.text("SELECT setval('zerver_message_id_seq', 1000000)"))
    database.close()
    zops("import", "acme", REAL_EXPORTS["full"])
    zops("export", "-r", "acme", "--output", tmp_path / "acme")
    assert_agree(originals("full"), WholeExport.read(tmp_path / "acme"))
    zops("export", "-r", "small", "--output", tmp_path / "small")
    assert_agree(originals("full"), WholeExport.read(tmp_path / "small"))


@pytest.mark.parametrize("missing", ["ZOPS_UPLOADS", "ZOPS_AVATAR_SALT"])
def test_a_servers_files_have_to_be_named(
    missing: str, beside_server: Server, tmp_path: Path
) -> None:
    zops = beside_server("zulip10-small")
    del zops.environment[missing]
    database = Database.connect(zops.environment["ZOPS_DATABASE"])
    watched = Watched(database, tmp_path)
    export = ("export", "-r", "small", "--output", tmp_path / "acme")
    refuse(zops, *export, about=missing, watched=watched)
    refuse(zops, "import", "acme", REAL_EXPORTS["public"], about=missing, watched=watched)
    database.close()


def test_files_that_were_lost_are_named_and_left_out(
    beside_server: Server,
    originals: Originals,
    tmp_path: Path,
) -> None:
    zops = beside_server("zulip10-small")
    attachments = originals("full").tables["zerver_attachment"]
    lost = attachments[3]["path_id"]
    (Path(zops.environment["ZOPS_UPLOADS"]) / "files" / lost).unlink()
    done = zops("--json", "export", "-r", "small", "--output", tmp_path / "acme", exit_code=5)
    assert [finding["where"] for finding in done.json()["findings"]] == [lost]
    ours = WholeExport.read(tmp_path / "acme")
    paths = [row["path_id"] for row in ours.tables["zerver_attachment"]]
    assert Counter(paths) == Counter(row["path_id"] for row in attachments) - Counter([lost])
    assert lost not in [record["path"] for record in ours.records["uploads"]]
    assert zops("--json", "verify", tmp_path / "acme").json()["problems"] == []
