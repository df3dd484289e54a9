"""What the tests of this plugin share: real exports, copies of them to spoil, and `zops`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.interop.reading import REAL_EXPORTS, WholeExport, unpack
from tests.zops_export.lightening import Kept, lighten
from tests.zops_export.spoiling import Watched
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


@pytest.fixture(scope="session")
def light(unpacked: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real export that was made lighter. Not to be changed."""
    target = tmp_path_factory.mktemp("light") / "export"
    return lighten(unpacked("full"), target, Kept())


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
