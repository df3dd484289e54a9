"""What the tests of this plugin share: real exports, copies of them to spoil, and `zops`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.interop.reading import REAL_EXPORTS, WholeExport, unpack
from tests.zops_export.spoiling import Row, Watched
from zcore.database import Database
from zcore.testing.in_process import ZopsInProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zcore.testing.postgres import PostgresServer


class ZopsHere(ZopsInProcess):
    """`zops` inside the process of the tests, with a folder of uploaded files.

    `tests/acceptance` runs the installed command; here there are many runs.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        super().__init__(folder, environment)
        self.uploads = folder / "uploads"
        self.environment["ZOPS_UPLOADS"] = str(self.uploads)
        self.environment["ZOPS_AVATAR_SALT"] = "a-salt-for-tests"


@pytest.fixture
def zops_here(tmp_path: Path, zops_environment: dict[str, str]) -> ZopsHere:
    """`zops` inside the process of the tests, with a data folder of its own."""
    return ZopsHere(tmp_path, zops_environment)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`small_disk(1000)`: a folder on a disk of 1000 kB."""
    mounted: list[Path] = []

    def mount(kilobytes: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        options = f"size={kilobytes}k,mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)  # noqa: S607  # wherever it is


@pytest.fixture(scope="session")
def originals() -> Callable[[str], WholeExport]:
    """`originals("full")`: what is in one of the real exports. Not to be changed."""
    read: dict[str, WholeExport] = {}

    def original(name: str) -> WholeExport:
        if name not in read:
            read[name] = WholeExport.read(REAL_EXPORTS[name])
        return read[name]

    return original


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`unpacked("full")`: the folder of a real export. Not to be changed."""
    folders: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in folders:
            top = tmp_path_factory.mktemp(f"real-{name}")
            folders[name] = unpack(REAL_EXPORTS[name], top)
        return folders[name]

    return folder


# So many of these rows the export `light` keeps, for tests that need to be fast.
KEPT_IN_LIGHT = {
    "zerver_attachment": 4,
    "zerver_message": 100,  # of each file, and those that attachments are linked to
    "zerver_usermessage": 20,
    "zerver_useractivity": 5,
    "zerver_useractivityinterval": 5,
    "analytics_realmcount": 5,
    "analytics_usercount": 5,
    "analytics_streamcount": 5,
}
KEPT_AVATARS = 4


@pytest.fixture(scope="session")
def light(unpacked: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real export that was made lighter. Not to be changed."""
    target = tmp_path_factory.mktemp("light") / "export"
    shutil.copytree(unpacked("full"), target)
    files = {path.name: json.loads(path.read_bytes()) for path in target.glob("*.json")}
    attachments = files["attachment.json"]["zerver_attachment"][
        : KEPT_IN_LIGHT["zerver_attachment"]
    ]
    avatars = json.loads((target / "avatars" / "records.json").read_bytes())[:KEPT_AVATARS]
    _lighten_rows(files, {message for row in attachments for message in row["messages"]})
    for user in files["realm.json"]["zerver_userprofile"]:
        has_avatar = user["id"] in {row["user_profile_id"] for row in avatars}
        user["avatar_source"] = "U" if has_avatar else "G"
    files["stats.json"] |= {"avatars_records": len(avatars), "uploads_records": len(attachments)}
    for name, document in files.items():
        (target / name).write_text(json.dumps(document))
    _lighten_files(target / "uploads", {row["path_id"] for row in attachments})
    _lighten_files(target / "avatars", {row["path"] for row in avatars})
    return target


def _lighten_rows(files: dict[str, dict[str, list[Row]]], linked: set[int]) -> None:
    """Take out rows, and those that point at them."""
    kept: set[int] = set()
    for name in (name for name in files if name.startswith("messages-")):
        rows = files[name]["zerver_message"]
        some = {row["id"] for row in rows[: KEPT_IN_LIGHT["zerver_message"]]} | linked
        files[name]["zerver_message"] = [row for row in rows if row["id"] in some]
        kept |= {row["id"] for row in files[name]["zerver_message"]}
    for tables in files.values():
        for table in ("zerver_usermessage", "zerver_reaction"):
            if table in tables:
                tables[table] = [row for row in tables[table] if row["message"] in kept]
        for table in KEPT_IN_LIGHT.keys() & tables.keys() - {"zerver_message"}:
            del tables[table][KEPT_IN_LIGHT[table] :]
    for file, counts in files["stats.json"].items():
        if isinstance(counts, dict):
            counts.update({table: len(files[f"{file}.json"][table]) for table in counts})


def _lighten_files(folder: Path, kept: set[str]) -> None:
    records = json.loads((folder / "records.json").read_bytes())
    for record in records:
        if record["path"] not in kept:
            (folder / record["path"]).unlink()
    left = [record for record in records if record["path"] in kept]
    (folder / "records.json").write_text(json.dumps(left))


@pytest.fixture
def light_copy(light: Path, tmp_path: Path) -> Path:
    """A copy of `light` where files may be replaced (not changed: they are hard links)."""
    target = tmp_path / "export"
    shutil.copytree(light, target, copy_function=os.link)
    return target


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files: where the work folders of imports are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def watched(sqlite_database: Database, zops_here: ZopsHere, temporary: Path) -> Watched:
    """`zops_here` works on a SQLite database now; this sees what it leaves there and elsewhere."""
    zops_here.on(sqlite_database)
    return Watched(sqlite_database, zops_here.home, zops_here.uploads, temporary)


@pytest.fixture
def with_realm(zops_here: ZopsHere, watched: Watched) -> ZopsHere:
    """`zops_here` on a SQLite database with the organization `acme`."""
    words = ("create-realm", "Acme", "olive@example.test", "Olive", "--no-password")
    zops_here(*words, "--string-id", "acme")
    return zops_here


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database with all tables, for all tests of a module: for those that only look."""
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite":
            folder = tmp_path_factory.mktemp("shared")
            database = Database.connect(f"sqlite:///{folder}/zops.db", create=True)
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            name = server.create_database(template=request.getfixturevalue("postgres_template"))
            stack.callback(server.drop_database, name)
            database = Database.connect(server.database_url(name))
        yield stack.enter_context(contextlib.closing(database))
