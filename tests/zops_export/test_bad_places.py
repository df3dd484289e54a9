"""Names, databases, folders and files that cannot be used: said in one line, nothing written."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.interop.reading import REAL_EXPORTS
from tests.zops_export.spoiling import Watched, assert_said_no, refuse
from zcore.organizations.inserts import insert_returning_id
from zcore.schema import tables
from zcore.testing.commands import Zops
from zcore.testing.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.zops_export.conftest import ZopsHere
    from zcore.testing.postgres import PostgresServer

PUBLIC = REAL_EXPORTS["public"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and change user")


# Names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subdomain", "code"),
    [
        ("acme", "subdomain-taken"),
        ("-acme", ""),
        ("Acme", ""),
        ("a_b", ""),
        ("ab", ""),
        ("a" * 41, ""),
        ("zulip", "subdomain-reserved"),
    ],
)
def test_a_subdomain_that_cannot_be_used(
    subdomain: str,
    code: str,
    with_realm: ZopsHere,
    watched: Watched,
    tmp_path: Path,
) -> None:
    with watched.unchanged():
        refused = with_realm("--json", "import", "--", subdomain, PUBLIC, exit_code=3)
        assert refused.stderr == ""
        assert not code or code in refused.codes()
    # said before the export is looked at
    refuse(with_realm, "import", "--", subdomain, tmp_path / "no-export", watched=watched)


def test_a_reserved_subdomain_can_be_allowed(
    zops_here: ZopsHere, watched: Watched, light: Path
) -> None:
    zops_here("import", "zulip", light, "--allow-reserved-subdomain")


@pytest.mark.parametrize("name", ["", "a" * 41])
def test_a_name_that_cannot_be_used(name: str, zops_here: ZopsHere, watched: Watched) -> None:
    refuse(zops_here, "import", "acme", PUBLIC, "--name", name, watched=watched)


@pytest.mark.parametrize("realm", ["nobody", "id:99", ""])
def test_an_organization_that_is_not_there(
    realm: str, zops_here: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    output = tmp_path / "out" / "acme"
    output.parent.mkdir()
    watched.folders = (*watched.folders, output.parent)
    for path in (output, output.with_suffix(".tar.gz")):
        refuse(zops_here, "export", "-r", realm, "--output", path, watched=watched)


def test_what_names_no_organization(zops_here: ZopsHere, watched: Watched) -> None:
    refuse(zops_here, "export", "-r", "id:x", exit_code=2, about="id:7", watched=watched)


# Databases --------------------------------------------------------------------------------------


def _text_file(path: Path) -> None:
    path.write_text("this is no database\n" * 100)


def _other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "there is no database file"),
    "in no folder": (lambda path: None, "there is no database file"),
    "empty": (lambda path: path.touch(), "no Zulip tables"),
    "text": (_text_file, "not a database"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "of something else": (_other_database, "no Zulip tables"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_database(
    name: str, zops_here: ZopsHere, temporary: Path, tmp_path: Path
) -> None:
    make, about = BAD_FILES[name]
    path = tmp_path / "no" / "db" if name == "in no folder" else tmp_path / "db"
    make(path)
    zops_here.environment["ZOPS_DATABASE"] = f"sqlite:///{path}"
    _refuse_both(zops_here, temporary, tmp_path, about)


@pytest.mark.parametrize("url", ["acme.db", "mysql://localhost/zulip", "sqlite://", "://"])
def test_what_names_no_database(
    url: str, zops_here: ZopsHere, temporary: Path, tmp_path: Path
) -> None:
    zops_here.environment["ZOPS_DATABASE"] = url
    _refuse_both(zops_here, temporary, tmp_path)


@pytest.mark.postgres
class TestPostgres:
    def test_a_database_that_is_missing(
        self, postgres_server: PostgresServer, zops_here: ZopsHere, temporary: Path, tmp_path: Path
    ) -> None:
        zops_here.environment["ZOPS_DATABASE"] = postgres_server.database_url("no_such_database")
        _refuse_both(zops_here, temporary, tmp_path, "there is no database 'no_such_database'")

    def test_a_database_without_tables(
        self, empty_postgres_url: str, zops_here: ZopsHere, temporary: Path, tmp_path: Path
    ) -> None:
        zops_here.environment["ZOPS_DATABASE"] = empty_postgres_url
        _refuse_both(zops_here, temporary, tmp_path, "no Zulip tables")

    def test_a_server_that_is_not_there(
        self, zops_here: ZopsHere, temporary: Path, tmp_path: Path
    ) -> None:
        (port,) = free_ports(1)
        url = f"postgresql://zops:secret@127.0.0.1:{port}/zulip"
        zops_here.environment["ZOPS_DATABASE"] = url
        said = _refuse_both(zops_here, temporary, tmp_path, f"127.0.0.1:{port}", exit_code=4)
        assert "secret" not in said

    def test_a_host_that_does_not_exist(
        self, zops_here: ZopsHere, temporary: Path, tmp_path: Path
    ) -> None:
        zops_here.environment["ZOPS_DATABASE"] = "postgresql://zops@no-such-host.invalid/zulip"
        _refuse_both(zops_here, temporary, tmp_path, "no-such-host.invalid", exit_code=4)

    def test_something_that_is_no_postgresql(
        self, zops_here: ZopsHere, temporary: Path, tmp_path: Path
    ) -> None:
        """A server that closes the connection at once."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            listening.close()
            zops_here.environment["ZOPS_DATABASE"] = f"postgresql://zops@127.0.0.1:{port}/zulip"
            _refuse_both(zops_here, temporary, tmp_path, str(port), exit_code=4)

    @pytest.mark.parametrize("user", ["zops", "mallory"])
    def test_a_wrong_password(
        self,
        user: str,
        postgres_server: PostgresServer,
        postgres_url: str,
        zops_here: ZopsHere,
        temporary: Path,
        tmp_path: Path,
    ) -> None:
        place = postgres_url.rpartition("@")[2]
        zops_here.environment["ZOPS_DATABASE"] = f"postgresql://{user}:wrong-one@{place}"
        said = _refuse_both(zops_here, temporary, tmp_path, "authentication", exit_code=4)
        assert "wrong-one" not in said


def _refuse_both(
    zops: ZopsHere, temporary: Path, folder: Path, about: str = "", exit_code: int = 3
) -> str:
    """An import and an export must end so, and leave nothing in `folder`; returns what they say."""
    watched = Watched(None, folder)
    said = refuse(zops, "import", "acme", PUBLIC, about=about, exit_code=exit_code, watched=watched)
    return said + refuse(
        zops,
        "export",
        "-r",
        "acme",
        "--output",
        folder / "out.tar.gz",
        about=about,
        exit_code=exit_code,
        watched=watched,
    )


# Folders and files ------------------------------------------------------------------------------


def _exists_as_file(path: Path) -> None:
    path.write_text("mine")


def _exists_as_folder(path: Path) -> None:
    path.mkdir()


def _exists_as_link(path: Path) -> None:
    path.symlink_to("nowhere")


def _parent_is_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.write_text("mine")


def _parent_is_missing(path: Path) -> None:
    path.parent.rmdir()


BAD_OUTPUTS = [
    _exists_as_file,
    _exists_as_folder,
    _exists_as_link,
    _parent_is_a_file,
    _parent_is_missing,
]


@pytest.mark.parametrize("make", BAD_OUTPUTS)
@pytest.mark.parametrize("suffix", ["", ".tar.gz"])
def test_an_output_that_cannot_be_made(
    make: Callable[[Path], None],
    suffix: str,
    with_realm: ZopsHere,
    watched: Watched,
    tmp_path: Path,
) -> None:
    output = tmp_path / "out" / f"acme{suffix}"
    output.parent.mkdir()
    make(output)
    watched.folders = (*watched.folders, tmp_path)
    refuse(with_realm, "export", "-r", "acme", "--output", output, watched=watched)


@pytest.mark.parametrize("name", ["a" * 240, "a" * 250, "a" * 300, "a" * 300 + "/b"])
def test_an_output_whose_name_is_too_long(
    name: str, with_realm: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    output = tmp_path / "out" / f"{name}.tar.gz"
    (tmp_path / "out").mkdir()
    watched.folders = (*watched.folders, tmp_path / "out")
    refuse(with_realm, "export", "-r", "acme", "--output", output, watched=watched)


def test_uploads_that_are_no_folder(zops_here: ZopsHere, watched: Watched, light: Path) -> None:
    zops_here.uploads.write_text("mine")
    refuse(zops_here, "import", "acme", light, exit_code=1, about="uploads", watched=watched)


@pytest.mark.parametrize("place", ["files", "avatars"])
def test_files_of_another_organization_are_left_alone(
    place: str, zops_here: ZopsHere, watched: Watched, light: Path
) -> None:
    """Uploads of another database: its number is not taken."""
    others = zops_here.uploads / place / "2" / "ab" / "photo.png"
    others.parent.mkdir(parents=True)
    others.write_text("not ours")
    in_the_way = zops_here.uploads / "files" / "3"
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.touch()
    assert zops_here("--json", "import", "acme", light).json()["realm_id"] == 4
    assert others.read_text() == "not ours"
    assert in_the_way.is_file()


def test_a_data_folder_that_is_no_folder(
    zops_here: ZopsHere, temporary: Path, tmp_path: Path
) -> None:
    """Where the database would be made, and the salt of avatars kept."""
    zops_here.home.write_text("mine")
    for name in ("ZOPS_UPLOADS", "ZOPS_AVATAR_SALT"):
        del zops_here.environment[name]
    watched = Watched(None, tmp_path)
    refuse(zops_here, "import", "acme", PUBLIC, about=str(zops_here.home), watched=watched)


def test_a_salt_that_cannot_be_kept(zops_here: ZopsHere, watched: Watched, light: Path) -> None:
    zops_here.home.write_text("mine")
    del zops_here.environment["ZOPS_AVATAR_SALT"]
    refuse(zops_here, "import", "acme", light, exit_code=1, about="salt", watched=watched)


def test_no_folder_for_temporary_files(
    zops_here: ZopsHere, watched: Watched, temporary: Path
) -> None:
    temporary.rmdir()
    refuse(zops_here, "import", "acme", PUBLIC, exit_code=1, about="TMPDIR", watched=watched)


def test_a_bad_export_makes_no_data_folder(
    zops_here: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    """No salt is kept for an import that does not come about."""
    del zops_here.environment["ZOPS_AVATAR_SALT"]
    refuse(zops_here, "import", "acme", tmp_path / "nothing", watched=watched)
    assert not zops_here.home.exists()


# Where permissions bite: as another user --------------------------------------------------------


@pytest.fixture
def zops_as_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zops]:
    """The installed command as the user `nobody`, in a folder of that user's."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv")
    folder = Path("/var/tmp") / f"zops-{tmp_path_factory.mktemp('nobody').name}-{os.getpid()}"  # noqa: S108
    folder.mkdir(mode=0o755)
    program = folder / "zops-as-nobody"
    command = f"exec setpriv --reuid=nobody --regid=nogroup --clear-groups {Zops(folder).program}"
    program.write_text(f'#!/bin/sh\n{command} "$@"\n')
    program.chmod(0o755)
    shutil.chown(folder, "nobody")
    runner = Zops(folder, program)
    done = runner("--version", check=False)
    if done.exit_code != 0:
        shutil.rmtree(folder)
        pytest.skip(f"nobody cannot run this zops: {done.stderr[-200:]}")
    yield runner
    shutil.rmtree(folder)


@needs_root
def test_folders_and_files_that_may_not_be_read_or_written(zops_as_nobody: Zops) -> None:
    zops, folder = zops_as_nobody, zops_as_nobody.folder
    zops.environment["ZOPS_AVATAR_SALT"] = "a-salt"
    locked = folder / "locked"
    locked.mkdir(mode=0o700)
    shutil.copy(PUBLIC, locked / "inside.tar.gz")
    shutil.copy(PUBLIC, folder / "unreadable.tar.gz")
    (folder / "unreadable.tar.gz").chmod(0o600)
    zops("db", "init")
    words = ("create-realm", "Acme", "olive@example.test", "Olive", "--no-password")
    zops(*words, "--string-id", "acme")
    before = sorted(folder.rglob("*"))
    for arguments in (
        ["import", "other", locked / "inside.tar.gz"],
        ["import", "other", locked],
        ["import", "other", folder / "unreadable.tar.gz"],
        ["export", "-r", "acme", "--output", locked / "out.tar.gz"],
        ["export", "-r", "acme", "--output", "/usr/out"],
    ):
        done = zops(*arguments, exit_code=3)
        assert_said_no(done.stderr)
    done = zops("import", "other", PUBLIC, exit_code=1, env={"ZOPS_UPLOADS": str(locked)})
    assert_said_no(done.stderr)
    zops("realm", "show", "other", exit_code=3)
    after = [path for path in sorted(folder.rglob("*")) if "zops.db-" not in path.name]
    assert after == [path for path in before if "zops.db-" not in path.name]


@needs_root
def test_a_database_file_that_may_not_be_written(zops_as_nobody: Zops) -> None:
    zops, folder = zops_as_nobody, zops_as_nobody.folder
    zops("db", "init")
    path = zops.home / "zops.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    path.chmod(0o444)
    shutil.chown(path, "root")
    zops.home.chmod(0o555)
    shutil.chown(zops.home, "root")
    shutil.copy(PUBLIC, folder / "good.tar.gz")
    (folder / "good.tar.gz").chmod(0o644)
    done = zops(
        "import",
        "acme",
        folder / "good.tar.gz",
        exit_code=3,
        env={"ZOPS_UPLOADS": str(folder / "uploads"), "ZOPS_AVATAR_SALT": "salt"},
    )
    assert_said_no(done.stderr, about="can only be read")


# A full disk ------------------------------------------------------------------------------------


def _add_attachment(connection: sa.Connection, size: int) -> None:
    """A picture that is linked from a message of the only organization."""
    message_id = connection.scalar(sa.select(sa.func.max(tables["zerver_message"].c.id)))
    users = tables["zerver_userprofile"].c
    owner = sa.select(users.id, users.realm_id).where(sa.not_(users.is_bot))
    owner_id, realm_id = connection.execute(owner).one()
    row = {
        "realm_id": realm_id,
        "owner_id": owner_id,
        "file_name": "large.png",
        "path_id": f"{realm_id}/aa/bb/large.png",
        "create_time": datetime.now(UTC),
        "size": size,
        "content_type": "image/png",
        "is_realm_public": True,
    }
    attachment_id = insert_returning_id(connection, tables["zerver_attachment"], row)
    link = {"attachment_id": attachment_id, "message_id": message_id}
    connection.execute(sa.insert(tables["zerver_attachment_messages"]).values(link))


def _kilobytes(*places: Path) -> int:
    """What these files, and all files in these folders, take, in whole pages of 4 kB."""
    found = [path for place in places for path in (place, *place.rglob("*"))]
    files = [path for path in found if path.is_file()]
    return sum(-(-path.stat().st_size // 4096) * 4 for path in files)


@needs_root
class TestFullDisk:
    @pytest.mark.parametrize("output", ["acme", "acme.tar.gz"])
    def test_of_an_export(
        self,
        output: str,
        zops_here: ZopsHere,
        watched: Watched,
        light: Path,
        small_disk: Callable[[int], Path],
        tmp_path: Path,
    ) -> None:
        """It fills up early, in the middle, and late."""
        zops_here("import", "acme", light)
        words = ("export", "-r", "acme", "--ignore-free-space", "--output")
        zops_here(*words, tmp_path / output)
        takes = _kilobytes(tmp_path / output)
        for share in (0.03, 0.5, 0.95):
            disk = small_disk(int(share * takes))
            watched.folders = (*watched.folders, disk)
            no_space = "No space left"
            refuse(zops_here, *words, disk / output, exit_code=1, about=no_space, watched=watched)

    @pytest.mark.parametrize("output", ["acme", "acme.tar.gz"])
    def test_that_is_seen_before(
        self,
        output: str,
        with_realm: ZopsHere,
        watched: Watched,
        small_disk: Callable[[int], Path],
    ) -> None:
        disk = small_disk(500)
        watched.folders = (*watched.folders, disk)
        with watched.database.begin() as connection:  # type: ignore[union-attr]  # it has one
            _add_attachment(connection, size=600_000)
        words = ("--json", "export", "-r", "acme", "--output", disk / output)
        with watched.unchanged():
            refused = with_realm(*words, exit_code=3)
        (problem,) = refused.json()["error"]["problems"]
        assert (problem["code"], problem["override"]) == ("no-space", "--ignore-free-space")
        with_realm(*words, "--ignore-free-space", exit_code=5)  # its file is not there at all

    def test_of_an_archive_that_just_fits(
        self,
        zops_here: ZopsHere,
        watched: Watched,
        light: Path,
        small_disk: Callable[[int], Path],
        tmp_path: Path,
    ) -> None:
        zops_here("import", "acme", light)
        export = ("export", "-r", "acme", "--output")
        zops_here(*export, tmp_path / "acme.tar.gz")
        disk = small_disk(int(1.15 * _kilobytes(tmp_path / "acme.tar.gz")))
        zops_here(*export, disk / "acme.tar.gz")
        assert [path.name for path in disk.iterdir()] == ["acme.tar.gz"]

    @pytest.mark.parametrize("share", [0.05, 0.95])
    def test_of_uploads(
        self,
        share: float,
        zops_here: ZopsHere,
        watched: Watched,
        light: Path,
        small_disk: Callable[[int], Path],
    ) -> None:
        kinds = ("uploads", "avatars", "emoji", "realm_icons")
        disk = small_disk(int(share * _kilobytes(*(light / kind for kind in kinds))))
        zops_here.environment["ZOPS_UPLOADS"] = str(disk)
        words = ("import", "acme", light, "--ignore-free-space")
        refuse(zops_here, *words, exit_code=1, about="No space left", watched=watched)
        assert list(disk.iterdir()) == []

    def test_of_temporary_files(
        self,
        zops_here: ZopsHere,
        watched: Watched,
        small_disk: Callable[[int], Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        disk = small_disk(200)
        monkeypatch.setattr("tempfile.tempdir", str(disk))
        refuse(zops_here, "import", "acme", PUBLIC, exit_code=1, about="TMPDIR", watched=watched)
        assert list(disk.iterdir()) == []

    def test_of_the_database(
        self,
        zops_here: ZopsHere,
        sqlite_template: Path,
        light: Path,
        small_disk: Callable[[int], Path],
    ) -> None:
        from zcore.database import Database

        path = small_disk(sqlite_template.stat().st_size // 1024 + 700) / "zops.db"
        shutil.copyfile(sqlite_template, path)
        with contextlib.closing(Database.connect(f"sqlite:///{path}")) as database:
            watched = Watched(database, zops_here.uploads)
            refuse(
                zops_here.on(database),
                "import",
                "acme",
                light,
                exit_code=1,
                about="the disk is full",
                watched=watched,
            )
