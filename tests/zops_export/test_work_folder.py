"""The folder that an export is written in: private, hashed on the way, published whole."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING, ClassVar

import pytest

from zcore import Failed, Interrupted, Refused
from zops_export.archive_reading import read_members
from zops_export.archive_writing import pack
from zops_export.work_folder import BUFFER_BYTES, WorkFolder, publish_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the export is to be."""
    return tmp_path / "acme"


@pytest.fixture
def folder(target: Path) -> WorkFolder:
    """The folder beside it."""
    return WorkFolder(target)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that would let everybody read and write."""
    old = os.umask(0)
    yield
    os.umask(old)


def _write(folder: WorkFolder, name: str, content: bytes) -> None:
    with folder.open(name) as file:
        file.write(content)


class TestWriting:
    @pytest.mark.parametrize("size", [0, 1, BUFFER_BYTES - 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 5])
    def test_size_and_hash_are_known(self, size: int, folder: WorkFolder) -> None:
        content = os.urandom(size)
        with folder.open("a.json") as file:
            for start in range(0, size, 100_003):
                file.write(content[start : start + 100_003])
        assert (folder.path / "a.json").read_bytes() == content
        written = folder.files["a.json"]
        assert (written.size, written.sha256) == (size, hashlib.sha256(content).hexdigest())
        assert folder.size == size

    def test_a_copy(self, folder: WorkFolder) -> None:
        content = os.urandom(2 * BUFFER_BYTES + 1)
        assert folder.copy("uploads/4/ab/x", io.BytesIO(content)) == len(content)
        assert (folder.path / "uploads/4/ab/x").read_bytes() == content

    @pytest.mark.usefixtures("open_umask")
    def test_nothing_can_be_read_by_others(self, target: Path) -> None:
        folder = WorkFolder(target)
        with folder.open("uploads/4/ab/x") as file:
            file.write(b"secret")
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in folder.path.rglob("*")}
        for private in (folder.home, folder.path):
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert {modes.pop(folder.path / "uploads/4/ab/x")} == {0o600}
        assert set(modes.values()) == {0o700}

    @pytest.mark.parametrize("name", ["", "/a", "../a", "a/../../b", "a\0b"])
    def test_names_that_lead_outside(self, name: str, folder: WorkFolder, tmp_path: Path) -> None:
        with pytest.raises(Failed, match="no name for a file"), folder.open(name):
            pass
        assert [*tmp_path.iterdir()] == [folder.home]

    def test_a_name_that_is_there(self, folder: WorkFolder) -> None:
        _write(folder, "a.json", b"first")
        with pytest.raises(Failed, match="exists"), folder.open("a.json"):
            pass
        assert (folder.path / "a.json").read_bytes() == b"first"

    def test_a_file_that_was_not_finished_is_not_listed(self, folder: WorkFolder) -> None:
        def write_half() -> None:
            with folder.open("a.json") as file:
                file.write(b"half")
                raise Interrupted("stopped")

        with pytest.raises(Interrupted):
            write_half()
        assert folder.files == {}

    def test_where_no_folder_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(Refused, match="cannot write"):
            WorkFolder(tmp_path / "file" / "acme")


class TestPublishing:
    def test_everything_appears_at_once(
        self, folder: WorkFolder, target: Path, tmp_path: Path
    ) -> None:
        _write(folder, "realm.json", b"{}")
        _write(folder, "uploads/x", b"1")
        assert not target.exists()
        folder.publish()
        assert (target / "uploads" / "x").read_bytes() == b"1"
        assert [*tmp_path.iterdir()] == [target]

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_what_appeared_meanwhile_stays(
        self, kind: str, folder: WorkFolder, target: Path
    ) -> None:
        make: dict[str, Callable[[], object]] = {
            "file": lambda: target.write_text("mine"),
            "folder": target.mkdir,
            "link": lambda: target.symlink_to("nowhere"),
        }
        make[kind]()
        _write(folder, "realm.json", b"{}")
        with pytest.raises(Refused, match="appeared"):
            folder.publish()
        assert target.is_symlink() or not (target / "realm.json").exists()

    def test_an_archive_never_replaces_anything(self, tmp_path: Path) -> None:
        aside, target = tmp_path / "aside", tmp_path / "acme.tar.gz"
        aside.write_text("new")
        target.write_text("mine")
        with pytest.raises(Refused, match="appeared"):
            publish_file(aside, target)
        assert target.read_text() == "mine"

    def test_an_archive_gets_its_name(self, tmp_path: Path) -> None:
        aside, target = tmp_path / "aside", tmp_path / "acme.tar.gz"
        aside.write_text("new")
        publish_file(aside, target)
        assert [*tmp_path.iterdir()] == [target]

    def test_what_is_thrown_away_is_gone(self, folder: WorkFolder, tmp_path: Path) -> None:
        _write(folder, "uploads/x", b"1")
        folder.remove()
        assert [*tmp_path.iterdir()] == []
        folder.remove()


class TestPacking:
    FILES: ClassVar[dict[str, bytes]] = {
        "realm.json": b"{}",
        "messages-000001.json": b"[]" * 70_000,
        "uploads/records.json": b"[]",
        "uploads/4/ab/" + "long " * 40 + ".png": os.urandom(5000),
        "uploads/4/ab/größe 日本.png": b"\x89PNG",
        "uploads/4/ab/empty": b"",
    }

    @pytest.fixture
    def packed(self, folder: WorkFolder, tmp_path: Path) -> tuple[Path, str]:
        for name, content in self.FILES.items():
            _write(folder, name, content)
        archive = tmp_path / "acme.tar.gz"
        return archive, pack(folder.path, "acme", archive, lambda: None)

    def test_holds_every_file(self, packed: tuple[Path, str]) -> None:
        archive, digest = packed
        assert digest == hashlib.sha256(archive.read_bytes()).hexdigest()
        with tarfile.open(archive) as members:
            found = {
                member.name: content.read()
                for member in members
                if (content := members.extractfile(member)) is not None
            }
        assert found == {f"acme/{name}": content for name, content in self.FILES.items()}

    def test_can_be_read_by_us(self, packed: tuple[Path, str]) -> None:
        found = {name: content.read() for name, _, content in read_members(packed[0])}
        assert found == {f"acme/{name}": content for name, content in self.FILES.items()}

    def test_the_organization_comes_first(self, packed: tuple[Path, str]) -> None:
        with tarfile.open(packed[0]) as members:
            names = [member.name.removeprefix("acme/") for member in members]
        assert names[0] == "realm.json"
        is_json = [name.endswith(".json") for name in names]
        assert is_json == sorted(is_json, reverse=True)

    @pytest.mark.usefixtures("open_umask")
    def test_is_private(self, packed: tuple[Path, str]) -> None:
        assert stat.S_IMODE(packed[0].stat().st_mode) == 0o600

    def test_that_is_stopped_leaves_nothing(self, folder: WorkFolder, tmp_path: Path) -> None:
        _write(folder, "realm.json", b"{}")

        def stop() -> None:
            raise Interrupted("stopped")

        with pytest.raises(Interrupted):
            pack(folder.path, "acme", tmp_path / "acme.tar.gz", stop)
        assert [*tmp_path.iterdir()] == [folder.home]

    def test_never_replaces_anything(self, folder: WorkFolder, tmp_path: Path) -> None:
        _write(folder, "realm.json", b"{}")
        (tmp_path / "acme.tar.gz").write_text("mine")
        with pytest.raises(Failed):
            pack(folder.path, "acme", tmp_path / "acme.tar.gz", lambda: None)
        assert (tmp_path / "acme.tar.gz").read_text() == "mine"
