"""The local file store keeps inside its folder, whole files, private modes; the avatar salt."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import sqlalchemy as sa

from zcore.avatar_salt import own_avatar_salt
from zcore.errors import Failed, Refused
from zcore.files import (
    FileStore,
    FileStores,
    LocalStore,
    Metadata,
    StoredFile,
    StorePair,
)
from zcore.private_folders import make_private_folder
from zcore.schema.server import django_migrations
from zcore.settings import Settings
from zcore.testing.plugins import hooks, plugins_of
from zcore.values import FileStoreKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zcore.database import Database

OUTSIDE = ["", "/", ".", "..", "../x", "a/../../x", "a/..", "/etc/passwd", "a\0b", "\0", "//x"]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Nothing is taken from the modes that files and folders are made with."""
    old = os.umask(0)
    yield
    os.umask(old)


def put(store: LocalStore, key: str, content: bytes = b"content") -> int:
    return store.put(key, io.BytesIO(content))


def read(store: LocalStore, key: str) -> bytes:
    with store.open(key) as stream:
        return stream.read()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- keys


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_leads_outside_is_refused(store: LocalStore, key: str, tmp_path: Path) -> None:
    put(store, "a/b")
    before = everything(tmp_path)
    for use in (
        store.open,
        store.find,
        store.delete,
        lambda key: put(store, key),
        lambda key: list(store.list(key)),
    ):
        with pytest.raises(Refused):
            use(key)
    assert everything(tmp_path) == before


@pytest.mark.parametrize("target", ["..", "../outside", "/etc"])
def test_a_link_out_of_the_store_is_not_followed(
    store: LocalStore, tmp_path: Path, target: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_text("secret")
    put(store, "a")
    (store.root / "link").symlink_to(target)
    for use in (
        store.open,
        store.find,
        store.delete,
        lambda key: put(store, key),
        lambda key: list(store.list(key)),
    ):
        for key in ("link", "link/passwd", "link/new/file"):
            with pytest.raises(Refused, match="symbolic link"):
                use(key)
    assert everything(outside) == ["passwd"]
    assert [stored.key for stored in store.list("a")] == []


def test_links_are_not_listed(store: LocalStore) -> None:
    put(store, "a/real")
    (store.root / "a" / "link").symlink_to("real")
    (store.root / "a" / "folder").symlink_to("/etc")
    assert [stored.key for stored in store.list("a")] == ["a/real"]


def test_a_link_to_itself_is_not_there(store: LocalStore) -> None:
    put(store, "a/real")
    (store.root / "a" / "loop").symlink_to("loop")
    assert [stored.key for stored in store.list("a")] == ["a/real"]
    with pytest.raises(Failed, match="loop"):
        store.open("a/loop")


def test_files_are_settled_with_the_names_that_lead_to_them(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("2/ab/one", "2/two", "3/other"):
        put(store, key)
    settled: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: settled.append(os.readlink(f"/proc/self/fd/{file}"))
    )
    store.settle("2")
    names = {os.path.relpath(path, store.root) for path in settled}
    assert names == {"2/ab/one", "2/two", "2/ab", "2", ".", ".."}
    monkeypatch.setattr("zcore.files.MANY", 1)
    monkeypatch.setattr(os, "sync", lambda: settled.append("everything"))
    store.settle("2")
    assert settled[-1] == "everything"
    store.settle("nothing")


def test_a_link_inside_is_deleted_and_not_what_it_points_at(store: LocalStore) -> None:
    put(store, "a/real")
    (store.root / "b").symlink_to("a")
    store.delete("b")
    assert everything(store.root) == ["a", "a/real"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to("disk")
    store = LocalStore(tmp_path / "store")
    put(store, "1/a", b"x")
    assert read(store, "1/a") == b"x"
    assert [stored.key for stored in store.list("1")] == ["1/a"]
    assert (tmp_path / "disk" / "1" / "a").read_bytes() == b"x"
    store.delete("1")
    assert store.find("1/a") is None


@pytest.mark.parametrize("key", ["1/ff/ab/o 'q' ü.txt", "1/-rf", "1/a.b/..c", "1/new\nline"])
def test_odd_names_are_names(store: LocalStore, key: str) -> None:
    assert put(store, key, b"odd") == 3
    assert read(store, key) == b"odd"
    assert [stored.key for stored in store.list("1")] == [key]


# --- writing


def test_what_is_put_can_be_found_and_read(store: LocalStore) -> None:
    content = os.urandom((1 << 20) + 17)
    assert put(store, "1/a", content) == len(content)
    assert read(store, "1/a") == content
    found = store.find("1/a")
    assert found == StoredFile("1/a", len(content), (store.root / "1" / "a").stat().st_mtime)


def test_putting_again_replaces(store: LocalStore) -> None:
    put(store, "1/a", b"first and long")
    put(store, "1/a", b"second")
    assert read(store, "1/a") == b"second"
    assert everything(store.root) == ["1", "1/a"]


class Failing(io.BytesIO):
    """A stream that ends in the middle."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(b"half")
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        if half := super().read(size):
            return half
        raise self.error


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (RuntimeError("broken"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError("a member that is damaged"), Failed),
        (OSError(28, "No space left on device"), Failed),
    ],
)
def test_a_stream_that_fails_leaves_nothing(
    store: LocalStore, error: BaseException, raised: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(raised) as caught:
        store.put("1/a", Failing(error))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert "None" not in str(caught.value)


def test_a_stream_that_fails_leaves_the_old_file(store: LocalStore) -> None:
    put(store, "1/a", b"old")
    with pytest.raises(RuntimeError):
        store.put("1/a", Failing(RuntimeError()))
    assert read(store, "1/a") == b"old"
    assert everything(store.root) == ["1", "1/a"]


def test_an_unfinished_file_is_not_listed(store: LocalStore) -> None:
    put(store, "1/a")
    go, started = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            started.set()
            go.wait(10)
            return super().read(size)

    thread = threading.Thread(target=lambda: store.put("1/b", Slow(b"b")))
    thread.start()
    started.wait(10)
    during = [stored.key for stored in store.list("1")]
    files = len(list((store.root / "1").iterdir()))
    go.set()
    thread.join()
    assert during == ["1/a"]
    assert files == 2  # it is there, under another name
    assert [stored.key for stored in store.list("1")] == ["1/a", "1/b"]


def test_a_file_in_the_way_of_a_folder_is_one_line(store: LocalStore) -> None:
    put(store, "1")
    with pytest.raises(Failed, match=r"cannot write .*1/a"):
        put(store, "1/a")
    with pytest.raises(Failed, match="cannot write"):
        put(store, "1/a/b")
    with pytest.raises((Failed, FileNotFoundError)):
        store.open("1/a")
    assert store.find("1/a") is None


def test_a_folder_in_the_way_of_a_file_is_one_line(store: LocalStore) -> None:
    put(store, "1/a/b")
    with pytest.raises(Failed, match="cannot write"):
        put(store, "1/a")
    with pytest.raises(Failed, match="cannot read"):
        store.open("1/a")
    assert store.find("1/a") is None
    assert everything(store.root) == ["1", "1/a", "1/a/b"]


def test_a_name_too_long_is_one_line(store: LocalStore) -> None:
    put(store, "1/a")
    key = "1/" + "x" * 300
    for use in (store.find, store.open, lambda key: put(store, key)):
        with pytest.raises(Failed, match="name too long"):
            use(key)


@pytest.mark.usefixtures("open_umask")
def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "made" / "too" / "store")
    put(store, "1/ab/file")
    made = [tmp_path / "made", *sorted((tmp_path / "made").rglob("*"))]
    assert len(made) == 6
    assert {path.name: mode(path) for path in made} == {
        "made": 0o700,
        "too": 0o700,
        "store": 0o700,
        "1": 0o700,
        "ab": 0o700,
        "file": 0o600,
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_files_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    os.chown(uploads, 1234, 1234)
    put(LocalStore(uploads / "files"), "1/ab/file")
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in uploads.rglob("*")}
    assert owners == {(1234, 1234)}


# --- looking and deleting


def test_a_list_is_in_the_order_of_keys_below_the_prefix(store: LocalStore) -> None:
    keys = ["1/a/x", "1/a-b", "1/a", "1/Z", "1/ä", "1/b/c/d", "1/b.c", "10/a", "2/a"]
    for key in keys:
        if key != "1/a":  # there, "a" is a folder
            put(store, key, key.encode())
    found = list(store.list("1"))
    assert [one.key for one in found] == ["1/Z", "1/a-b", "1/a/x", "1/b.c", "1/b/c/d", "1/ä"]
    assert [one.size for one in found] == [len(one.key.encode()) for one in found]
    assert [one.key for one in store.list("1/b")] == ["1/b/c/d"]


@pytest.mark.parametrize("prefix", ["nothing", "1/a", "1/a/b"])
def test_a_list_of_no_folder_is_empty(store: LocalStore, prefix: str) -> None:
    assert list(store.list(prefix)) == []
    put(store, "1/a")
    assert list(store.list(prefix)) == []


def test_what_is_not_there(store: LocalStore) -> None:
    assert store.find("1/a") is None
    with pytest.raises(FileNotFoundError):
        store.open("1/a")
    store.delete("1/a")
    store.delete("1")
    put(store, "1/a")
    store.delete("1/b")
    store.delete("1/a/b")
    assert everything(store.root) == ["1", "1/a"]


def test_deleting_takes_the_file_or_the_folder_and_no_neighbour(store: LocalStore) -> None:
    for key in ("1/a", "1/b", "2/c/d", "2/c/e", "20/f"):
        put(store, key)
    store = LocalStore(store.root)  # one that made none of the folders
    store.delete("1/a")
    store.delete("2")
    assert everything(store.root) == ["1", "1/b", "20", "20/f"]


def test_a_store_takes_back_the_folders_that_it_made(store: LocalStore, tmp_path: Path) -> None:
    put(store, "1/a/b")
    store.delete("1")
    assert everything(tmp_path) == []


# --- the two places of a server


def settings(folder: Path, **environment: str) -> Settings:
    return Settings.load({}, {"ZOPS_HOME": str(folder / "home"), **environment}, folder)


def make_server(database: Database) -> None:
    """A server keeps a list of migrations."""
    row = {"app": "zerver", "name": "0001_initial", "applied": sa.func.now()}
    with database.begin() as connection:
        connection.execute(django_migrations.insert().values(row))


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, ["ZOPS_UPLOADS", "ZOPS_AVATAR_SALT"]),
        ({"ZOPS_UPLOADS": "/x"}, ["ZOPS_AVATAR_SALT"]),
        ({"ZOPS_AVATAR_SALT": "abc"}, ["ZOPS_UPLOADS"]),
    ],
)
def test_of_a_server_nothing_is_guessed(
    postgres_database: Database, tmp_path: Path, environment: dict[str, str], named: list[str]
) -> None:
    make_server(postgres_database)
    with pytest.raises(Refused) as caught:
        FileStores.open(settings(tmp_path, **environment), postgres_database, plugins_of({}))
    assert caught.value.code == "files-unknown"
    assert re.findall(r"ZOPS_\w+", caught.value.message) == named
    assert everything(tmp_path) == []


def test_a_server_s_files_are_where_it_was_told(
    postgres_database: Database, tmp_path: Path
) -> None:
    make_server(postgres_database)
    environment = {"ZOPS_UPLOADS": str(tmp_path / "u"), "ZOPS_AVATAR_SALT": "pepper"}
    files = FileStores.open(settings(tmp_path, **environment), postgres_database, plugins_of({}))
    files.uploads.put("2/a", io.BytesIO(b"upload"))
    files.avatars.put("2/b", io.BytesIO(b"avatar"))
    assert files.avatar_salt == "pepper"
    assert everything(tmp_path / "u") == [
        *("avatars", "avatars/2", "avatars/2/b"),
        *("files", "files/2", "files/2/a"),
    ]


def test_our_own_database_has_its_files_and_salt_in_the_data_folder(
    sqlite_database: Database, tmp_path: Path
) -> None:
    files = FileStores.open(settings(tmp_path), sqlite_database, plugins_of({}))
    again = FileStores.open(settings(tmp_path), sqlite_database, plugins_of({}))
    files.uploads.put("1/a", io.BytesIO(b""))
    assert (tmp_path / "home" / "uploads" / "files" / "1" / "a").is_file()
    assert re.fullmatch("[0-9a-f]{32}", files.avatar_salt)
    assert files.avatar_salt == again.avatar_salt


def test_s3_needs_a_plugin(sqlite_database: Database, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no plugin opens files in 's3'"):
        FileStores.open(settings(tmp_path, ZOPS_UPLOADS="s3"), sqlite_database, plugins_of({}))


def test_two_stores_take_back_the_folder_above_them(
    sqlite_database: Database, tmp_path: Path
) -> None:
    environment = {"ZOPS_UPLOADS": str(tmp_path / "up"), "ZOPS_AVATAR_SALT": "x"}
    files = FileStores.open(settings(tmp_path, **environment), sqlite_database, plugins_of({}))
    files.uploads.put("1/a", io.BytesIO(b""))
    files.avatars.put("1/a", io.BytesIO(b""))
    files.uploads.delete("1")
    assert everything(tmp_path / "up") == ["avatars", "avatars/1", "avatars/1/a"]
    files.avatars.delete("1")
    assert not (tmp_path / "up").exists()


def test_a_plugin_s_place_is_opened_by_its_scheme(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def connect(place: str, settings: Settings) -> StorePair:
        seen.append(place)
        return StorePair(LocalStore(tmp_path / "up"), LocalStore(tmp_path / "pictures"))

    module = SimpleNamespace(connect=connect)
    monkeypatch.setitem(sys.modules, "store_of_a_test", module)
    said: list[str] = []
    plugins = plugins_of(
        {
            "alpha": hooks(
                zops_file_stores=lambda: [FileStoreKind("acme", "store_of_a_test:connect")]
            ),
            "beta": hooks(zops_file_stores=lambda: [FileStoreKind("acme", "not_this:one")]),
        },
        warn=said.append,
    )
    where = settings(tmp_path, ZOPS_UPLOADS="ACME://files", ZOPS_AVATAR_SALT="x")
    for _ in range(2):
        files = FileStores.open(where, sqlite_database, plugins)
    assert seen == ["ACME://files"] * 2
    files.uploads.put("1/a", io.BytesIO(b""))
    assert everything(tmp_path / "up") == ["1", "1/a"]
    (warning,) = said
    assert re.fullmatch(
        r"plugin 'alpha' \(.*\) and plugin 'beta' \(.*\) both open files in 'acme':"
        " the first counts",
        warning,
    )


def test_a_folder_passes_over_metadata(store: LocalStore) -> None:
    metadata = Metadata("image/png", "no-cache", {"realm_id": "1"})
    store.put("1/a", io.BytesIO(b"x"), metadata=metadata)
    found = store.find("1/a")
    assert found is not None
    assert (found.size, found.content_type) == (1, None)


def test_uploads_get_keys_that_nobody_guesses(store: LocalStore) -> None:
    local = FileStores(store, store, "x")
    other = FileStores(cast("FileStore", object()), store, "x")
    keys = {local.new_upload_key(9, "photo.png") for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        assert re.fullmatch(r"9/(0|[1-9a-f][0-9a-f]?)/[\w-]{24}/photo\.png", key)
    assert re.fullmatch(r"9/[\w-]{24}/photo\.png", other.new_upload_key(9, "photo.png"))


# printf '%s' '11:3:pepper' | sha256sum | cut -c-40, and so on
@pytest.mark.parametrize(
    ("realm_id", "user_id", "version", "salt", "key"),
    [
        (2, 11, 3, "pepper", "2/bb126adb1dac46e03abcae62e490e08ca15ec79c"),
        (7, 205, 12, "9d1f", "7/caf63291bdae6d251b113c9fdcec5914fe72863e"),
    ],
)
def test_where_an_avatar_is(
    store: LocalStore, realm_id: int, user_id: int, version: int, salt: str, key: str
) -> None:
    files = FileStores(store, store, salt)
    assert files.avatar_key(realm_id, user_id, version) == key


# --- the salt


@pytest.mark.usefixtures("open_umask")
def test_the_salt_is_made_once_and_private(tmp_path: Path) -> None:
    home = tmp_path / "above" / "home"
    salt = own_avatar_salt(home)
    assert re.fullmatch("[0-9a-f]{32}", salt)
    assert own_avatar_salt(home) == salt
    assert everything(tmp_path) == ["above", "above/home", "above/home/avatar_salt"]
    assert [mode(path) for path in (home.parent, home)] == [0o700, 0o700]
    assert mode(home / "avatar_salt") == 0o600
    assert own_avatar_salt(tmp_path / "other") != salt


def test_several_processes_make_one_salt(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from zcore.avatar_salt import own_avatar_salt\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(50):\n"
        "    print(own_avatar_salt(pathlib.Path(sys.argv[1], str(number))))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=30)[0].split() for process in processes]
    assert said[0] == said[1]
    assert len(set(said[0])) == 50
    assert len(everything(tmp_path)) == 100


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_salt_file_without_a_salt_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "avatar_salt").write_bytes(content)
    with pytest.raises(Failed, match="avatar_salt"):
        own_avatar_salt(tmp_path)
    assert (tmp_path / "avatar_salt").read_bytes() == content


def test_a_file_where_the_data_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(Failed, match="cannot keep the avatar salt"):
        own_avatar_salt(tmp_path / "home")


# --- private folders


@pytest.mark.usefixtures("open_umask")
def test_folders_are_made_private_all_the_way(tmp_path: Path) -> None:
    made = make_private_folder(tmp_path / "a" / "b" / "c")
    assert made == [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert {mode(folder) for folder in made} == {0o700}
    assert make_private_folder(tmp_path / "a" / "b") == []
