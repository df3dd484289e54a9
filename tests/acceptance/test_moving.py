"""Moving an organization, as a user does it: `zops import`, `export` and `verify`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.interop.comparing import assert_agree
from tests.interop.reading import REAL_EXPORTS, WholeExport, unpack
from zcore.schema.activity import zerver_client
from zcore.schema.realms import zerver_realm
from zcore.schema.users import zerver_userprofile
from zcore.testing.commands import Zops

if TYPE_CHECKING:
    from pathlib import Path

    from zcore.database import Database

PUBLIC = REAL_EXPORTS["public"]


@pytest.fixture
def zops_on(zops: Zops, database: Database) -> Zops:
    """`zops` on a new database of each kind."""
    zops.environment["ZOPS_DATABASE"] = database.url.render_as_string(hide_password=False)
    return zops


def test_in_and_out_and_in_again(zops_on: Zops, database: Database, tmp_path: Path) -> None:
    """An organization of a Zulip server moves in, and out to a server of its own."""
    come = zops_on("--json", "import", "acme", PUBLIC)
    assert come.stderr == ""
    came = come.json()
    assert (came["ok"], came["string_id"], came["files"]) == (True, "acme", 65)
    assert came["rows"]["zerver_message"] == 900

    gone = zops_on("--json", "export", "--realm", "acme", "--output", tmp_path / "acme.tar.gz")
    assert gone.stderr == ""
    went = gone.json()
    assert went["path"] == str(tmp_path / "acme.tar.gz")
    assert (went["realm"], went["mode"], went["url"]) == ("acme", "full", None)
    assert went["bytes"] == (tmp_path / "acme.tar.gz").stat().st_size
    with (tmp_path / "acme.tar.gz").open("rb") as archive:
        assert went["sha256"] == hashlib.file_digest(archive, "sha256").hexdigest()
    assert went["rows"]["zerver_message"] == came["rows"]["zerver_message"]
    assert {stage["name"] for stage in went["stages"]} >= {"messages", "realm", "uploads", "stats"}

    checked = zops_on("--json", "verify", tmp_path / "acme.tar.gz").json()
    assert (checked["ok"], checked["problems"], checked["realm"]) == (True, [], "acme")

    elsewhere = {"ZOPS_DATABASE": "", "ZOPS_HOME": str(tmp_path / "elsewhere")}
    zops_on("import", "moved", tmp_path / "acme.tar.gz", env=elsewhere)
    zops_on("export", "-r", "moved", "--output", tmp_path / "moved", env=elsewhere)
    moved = WholeExport.read(tmp_path / "moved")
    assert_agree(WholeExport.read(PUBLIC), moved, other_database=True)


@pytest.fixture(scope="module")
def zops_with_acme(tmp_path_factory: pytest.TempPathFactory) -> Zops:
    """`zops` with a database and files of its own, with an organization that came as a folder."""
    folder = tmp_path_factory.mktemp("acme")
    runner = Zops(folder)
    runner("import", "acme", unpack(PUBLIC, folder / "real"))
    return runner


@dataclass(frozen=True)
class Exported:
    """The organization of `zops_with_acme`, exported where everybody may do everything."""

    folder: Path
    archive: Path


@pytest.fixture(scope="module")
def exported(zops_with_acme: Zops, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """As a folder, and as an archive with the name of a folder inside of exports."""
    place = tmp_path_factory.mktemp("exported")
    found = Exported(place / "acme", place / "uploads.tar.gz")
    old = os.umask(0)
    try:
        for path in (found.folder, found.archive):
            zops_with_acme("export", "-r", "acme", "--output", path)
    finally:
        os.umask(old)
    return found


class TestTheResultOfAnExport:
    @pytest.fixture
    def zops(self, zops_with_acme: Zops) -> Zops:
        return zops_with_acme

    def test_is_an_archive_here_named_by_realm_and_time(self, zops: Zops, tmp_path: Path) -> None:
        done = zops("export", "-r", "acme", cwd=tmp_path)
        (archive,) = tmp_path.iterdir()
        assert archive.name.startswith("zulip-export-acme-2")
        assert archive.name.endswith("Z.tar.gz")
        assert str(archive) in done.stdout

    def test_is_private(self, exported: Exported) -> None:
        found = [exported.archive, exported.folder, *exported.folder.rglob("*")]
        modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in found}
        assert modes == {(True, 0o700), (False, 0o600)}
        with tarfile.open(exported.archive) as archive:
            members = archive.getmembers()
        assert {(member.uid, member.gid, member.mode) for member in members} == {(0, 0, 0o600)}
        assert {member.name.partition("/")[0] for member in members} == {"uploads"}

    def test_leaves_nothing_beside_it(self, exported: Exported) -> None:
        assert {*exported.folder.parent.iterdir()} == {exported.folder, exported.archive}

    def test_has_a_manifest_of_every_file(self, exported: Exported) -> None:
        folder = exported.folder
        manifest = json.loads((folder / "zops-manifest.json").read_bytes())
        paths = [path for path in folder.rglob("*") if path.is_file()]
        names = {path.relative_to(folder).as_posix() for path in paths}
        assert manifest["files"].keys() | {"zops-manifest.json"} == names
        for name, facts in manifest["files"].items():
            content = (folder / name).read_bytes()
            assert facts == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def test_is_the_same_as_folder_and_archive(
        self, exported: Exported, zops: Zops, tmp_path: Path
    ) -> None:
        subprocess.run(["tar", "xzf", exported.archive, "-C", tmp_path], check=True)  # noqa: S607
        assert (
            WholeExport.read(tmp_path / "uploads").files == WholeExport.read(exported.folder).files
        )
        for path in (exported.folder, exported.archive, tmp_path / "uploads"):
            assert zops("--json", "verify", path).json()["problems"] == []

    def test_has_no_secrets(self, exported: Exported) -> None:
        for row in WholeExport.read(exported.folder).rows("zerver_userprofile"):
            assert not row.keys() & {"password", "api_key", "uuid"}

    @pytest.mark.parametrize("name", ["uploads", "realm.json"])
    def test_that_was_damaged_later_is_found(
        self, name: str, exported: Exported, zops: Zops, tmp_path: Path
    ) -> None:
        folder = shutil.copytree(exported.folder, tmp_path / "acme")
        found = [path for path in (folder / name).rglob("*") if path.is_file()]
        pictures = [path for path in found if path.name != "records.json"]
        damaged = pictures[0] if pictures else folder / name
        content = bytearray(damaged.read_bytes())
        content[content.index(b"Zulip") if not pictures else len(content) // 2] ^= 1
        damaged.write_bytes(content)
        done = zops("--json", "verify", folder, exit_code=5)
        where = damaged.relative_to(folder).as_posix()
        assert [finding["where"] for finding in done.json()["findings"]] == [where]

    def test_of_a_dry_run_is_a_plan(self, zops: Zops, tmp_path: Path) -> None:
        plan = zops(
            "--json", "export", "-r", "acme", "--output", tmp_path / "a", "--dry-run"
        ).json()
        assert not (tmp_path / "a").exists()
        done = zops("--json", "export", "-r", "acme", "--output", tmp_path / "a").json()
        marks = {"zerver_realmauditlog": 1}  # the mark that an export adds
        assert plan["dry_run"] is True
        for table, count in done["rows"].items():
            if not table.endswith("_records") and table in plan["rows"]:
                assert plan["rows"][table] in (count, count - marks.get(table, 0))


def test_what_an_import_changes_and_keeps(zops_on: Zops, database: Database) -> None:
    zops_on("import", "acme", PUBLIC)
    zops_on("import", "acme2", PUBLIC, "--name", "Second Acme")
    with database.read() as connection:
        realms = {row.string_id: row for row in connection.execute(sa.select(zerver_realm)).all()}
        people = connection.execute(
            sa.select(zerver_userprofile).where(zerver_userprofile.c.realm_id == realms["acme"].id)
        ).all()
        clients = connection.execute(sa.select(zerver_client.c.name)).scalars().all()
    assert realms["acme"].name == "Small Realm"
    assert realms["acme2"].name == "Second Acme"
    assert realms["acme"].uuid != realms["acme2"].uuid
    assert not realms["acme"].deactivated
    assert {person.tos_version for person in people} == {"-1"}
    assert all(person.password.startswith("!") and len(person.password) == 41 for person in people)
    assert len({person.api_key for person in people}) == len(people)
    assert len(clients) == len(set(clients))


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "acme"],
        ["import", "acme", PUBLIC, "more"],
        ["import", "acme", PUBLIC, "--no-such-option"],
        ["export"],
        ["export", "-r", "acme", "--full", "--public-only"],
        ["export", "-r", "acme", "--threads", "0"],
        ["export", "-r", "acme", "--threads", "many"],
        ["verify"],
    ],
    ids=str,
)
def test_a_command_line_that_is_wrong(arguments: list[Any], zops: Zops, tmp_path: Path) -> None:
    done = zops(*arguments, exit_code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("zops: error: ")
    assert not zops.home.exists()


def test_errors_as_json(zops: Zops, tmp_path: Path) -> None:
    done = zops("--json", "import", "acme", tmp_path / "nothing.tar.gz", exit_code=3)
    assert done.stderr == ""
    assert done.json()["ok"] is False
    assert done.codes() == {"no-such-export"}
