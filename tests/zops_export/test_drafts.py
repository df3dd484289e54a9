"""What an export is made in: private, hashed on the way, published whole."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import stat
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

import pytest

from zcore import Failed, Interrupted, Refused
from zops_export.archive_draft import local_archive
from zops_export.archive_packing import KEPT_IN_MEMORY
from zops_export.archive_reading import read_members
from zops_export.archive_sinks import publish_file
from zops_export.drafts import KeptFile, Place
from zops_export.folder_draft import FolderDraft
from zops_export.manifest import MANIFEST
from zops_export.waiting_room import MOST_IN_MEMORY
from zops_export.work_folder import WorkFolder
from zops_export.written_files import BUFFER_BYTES, WrittenFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zops_export.archive_draft import ArchiveDraft
    from zops_export.drafts import Draft

SIZES = [0, 1, 511, 512, BUFFER_BYTES - 1, BUFFER_BYTES, 3 * BUFFER_BYTES + 5]


def _go_on() -> None:
    """Nobody asks us to stop."""


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the export is to be."""
    return tmp_path / "acme"


@pytest.fixture
def work(target: Path) -> WorkFolder:
    """The folder beside it."""
    return WorkFolder(target)


@pytest.fixture
def folder(work: WorkFolder) -> FolderDraft:
    """An export that becomes a folder."""
    return FolderDraft(work)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[ArchiveDraft]:
    """An export that becomes an archive."""
    draft = local_archive(WorkFolder(tmp_path / "acme.tar.gz"), _go_on)
    yield draft
    draft.remove()


@pytest.fixture(params=["folder", "archive"])
def draft(request: pytest.FixtureRequest) -> Draft:
    """Either of them."""
    found: Draft = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that would let everybody read and write."""
    old = os.umask(0)
    yield
    os.umask(old)


def _write(draft: Draft, name: str, content: bytes) -> None:
    with draft.open(name) as file:
        for start in range(0, len(content), 100_003):
            file.write(content[start : start + 100_003])


def _contents(path: Path) -> dict[str, bytes]:
    """What every file of the archive holds."""
    with tarfile.open(path) as members:
        return {
            member.name: content.read()
            for member in members
            if (content := members.extractfile(member)) is not None
        }


class TestEither:
    @pytest.mark.parametrize("size", SIZES)
    def test_size_and_hash_are_known(self, size: int, draft: Draft) -> None:
        content = os.urandom(size)
        _write(draft, "a.json", content)
        digest = hashlib.sha256(content).hexdigest()
        assert draft.files["a.json"] == WrittenFile("a.json", size, digest)

    @pytest.mark.parametrize("name", ["", "/a", "../a", "a/../../b", "a\0b"])
    def test_names_that_lead_outside(self, name: str, draft: Draft) -> None:
        with pytest.raises(Failed, match="no name for a file"), draft.open(name):
            pass

    @pytest.mark.parametrize("name", ["a.json", "uploads/x", "uploads", "a.json/x"])
    def test_a_name_that_is_there(self, name: str, draft: Draft) -> None:
        _write(draft, "a.json", b"first")
        _write(draft, "uploads/x", b"first")
        with pytest.raises(Failed, match=r"exists|Not a directory|Is a directory"):
            _write(draft, name, b"second")
        assert set(draft.files) == {"a.json", "uploads/x"}

    def test_a_file_that_was_not_finished_is_not_listed(self, draft: Draft) -> None:
        def write_half() -> None:
            with draft.open("a.json") as file:
                file.write(b"half")
                raise Interrupted("stopped")

        with pytest.raises(Interrupted):
            write_half()
        assert draft.files == {}

    def test_what_is_thrown_away_is_gone(self, draft: Draft, tmp_path: Path) -> None:
        _write(draft, "uploads/x", b"1")
        draft.remove()
        assert [*tmp_path.iterdir()] == []
        draft.remove()


class TestFolder:
    @pytest.mark.usefixtures("open_umask")
    def test_nothing_can_be_read_by_others(self, target: Path) -> None:
        work = WorkFolder(target)
        draft = FolderDraft(work)
        with draft.open("uploads/4/ab/x") as file:
            file.write(b"secret")
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in draft.path.rglob("*")}
        for private in (work.home, draft.path):
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert {modes.pop(draft.path / "uploads/4/ab/x")} == {0o600}
        assert set(modes.values()) == {0o700}

    def test_where_no_folder_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(Refused, match="cannot write"):
            WorkFolder(tmp_path / "file" / "acme")

    def test_everything_appears_at_once(
        self, folder: FolderDraft, target: Path, tmp_path: Path
    ) -> None:
        _write(folder, MANIFEST, b"{}")
        _write(folder, "uploads/x", b"1")
        assert not target.exists()
        assert folder.publish() == hashlib.sha256(b"{}").hexdigest()
        assert folder.size == 3
        assert (target / "uploads" / "x").read_bytes() == b"1"
        folder.remove()
        assert [*tmp_path.iterdir()] == [target]

    @pytest.mark.parametrize("kind", ["file", "folder", "link"])
    def test_what_appeared_meanwhile_stays(
        self, kind: str, folder: FolderDraft, target: Path
    ) -> None:
        make: dict[str, Callable[[], object]] = {
            "file": lambda: target.write_text("mine"),
            "folder": target.mkdir,
            "link": lambda: target.symlink_to("nowhere"),
        }
        make[kind]()
        _write(folder, "realm.json", b"{}")
        _write(folder, MANIFEST, b"{}")
        with pytest.raises(Refused, match="appeared"):
            folder.publish()
        assert target.is_symlink() or not (target / "realm.json").exists()


class TestArchive:
    FILES: ClassVar[dict[str, bytes]] = {
        "messages-000001.json": b"[]" * 70_000,
        "uploads/records.json": b"[]",
        "uploads/4/ab/" + "long " * 40 + ".png": os.urandom(5000),
        "uploads/4/ab/größe 日本.png": b"\x89PNG",
        "uploads/4/ab/empty": b"",
        "uploads/4/ab/large": os.urandom(KEPT_IN_MEMORY + 3),
        "realm.json": b"{}",
        "zops-manifest.json": b"{}",
    }

    @pytest.fixture
    def packed(self, archive: ArchiveDraft, tmp_path: Path) -> tuple[Path, str]:
        for name, content in self.FILES.items():
            _write(archive, name, content)
        return tmp_path / "acme.tar.gz", archive.publish()

    @property
    def expected(self) -> dict[str, bytes]:
        return {f"acme/{name}": content for name, content in self.FILES.items()}

    def test_holds_every_file(
        self, packed: tuple[Path, str], archive: ArchiveDraft, tmp_path: Path
    ) -> None:
        path, digest = packed
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert archive.size == path.stat().st_size
        assert _contents(path) == self.expected
        assert [each for each in tmp_path.iterdir() if each.suffix != ".partial"] == [path]

    def test_can_be_read_by_us(self, packed: tuple[Path, str]) -> None:
        found = {name: content.read() for name, _, content in read_members(packed[0])}
        assert found == self.expected

    def test_can_be_read_by_others(self, packed: tuple[Path, str], tmp_path: Path) -> None:
        """As the server's importer does it, as Python does it, and from a pipe."""
        (tmp_path / "tar").mkdir()
        command = ["tar", "-xzf", packed[0], "-C", tmp_path / "tar"]
        subprocess.run(command, check=True)
        shutil.unpack_archive(packed[0], tmp_path / "python", filter="data")
        for folder in (tmp_path / "tar", tmp_path / "python"):
            found = {name: (folder / name).read_bytes() for name in self.expected}
            assert found == self.expected
        with tarfile.open(packed[0], mode="r|gz") as members:
            assert {member.name for member in members} == self.expected.keys()

    def test_the_organization_comes_first_and_the_manifest_last(
        self, packed: tuple[Path, str]
    ) -> None:
        with tarfile.open(packed[0]) as members:
            names = [member.name.removeprefix("acme/") for member in members]
        assert (names[0], names[-1]) == ("realm.json", MANIFEST)

    def test_many_files_wait_on_the_disk(self, archive: ArchiveDraft, tmp_path: Path) -> None:
        size = KEPT_IN_MEMORY // 2
        files = {
            f"uploads/{number}": os.urandom(size) for number in range(MOST_IN_MEMORY // size + 3)
        }
        for name, content in files.items():
            _write(archive, name, content)
        _write(archive, "realm.json", b"{}")
        archive.publish()
        found = _contents(tmp_path / "acme.tar.gz")
        assert list(found) == ["acme/realm.json", *(f"acme/{name}" for name in files)]
        assert all(found[f"acme/{name}"] == content for name, content in files.items())

    def test_an_organization_that_never_came(self, archive: ArchiveDraft, tmp_path: Path) -> None:
        _write(archive, "a.json", b"1")
        archive.publish()
        assert _contents(tmp_path / "acme.tar.gz") == {"acme/a.json": b"1"}

    def test_several_threads_write(self, archive: ArchiveDraft, tmp_path: Path) -> None:
        files = {f"messages-{number:06d}.json": os.urandom(200_000) for number in range(30)}
        _write(archive, "realm.json", b"{}")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: _write(archive, name, files[name]), files))
        archive.publish()
        found = _contents(tmp_path / "acme.tar.gz")
        assert {name: found[f"acme/{name}"] for name in files} == files

    @pytest.mark.usefixtures("open_umask")
    def test_is_private(self, packed: tuple[Path, str]) -> None:
        assert stat.S_IMODE(packed[0].stat().st_mode) == 0o600
        with tarfile.open(packed[0]) as members:
            assert {(member.mode, member.uid, member.uname) for member in members} == {
                (0o600, 0, "")
            }

    def test_that_is_stopped_leaves_nothing(self, tmp_path: Path) -> None:
        def stop() -> None:
            raise Interrupted("stopped")

        archive = local_archive(WorkFolder(tmp_path / "acme.tar.gz"), stop)
        with pytest.raises(Interrupted):
            _write(archive, "realm.json", b"{}")
        archive.remove()
        assert [*tmp_path.iterdir()] == []

    def test_more_may_wait_than_files_can_be_open(
        self, archive: ArchiveDraft, tmp_path: Path
    ) -> None:
        content = os.urandom(MOST_IN_MEMORY // 100)
        names = [f"uploads/{number}" for number in range(400)]
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        try:
            for name in names:
                _write(archive, name, content)
            _write(archive, "realm.json", b"{}")
            archive.publish()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        found = _contents(tmp_path / "acme.tar.gz")
        assert list(found) == [f"acme/{name}" for name in ("realm.json", *names)]
        assert all(found[f"acme/{name}"] == content for name in names)

    def test_never_replaces_anything(self, archive: ArchiveDraft, tmp_path: Path) -> None:
        _write(archive, "realm.json", b"{}")
        (tmp_path / "acme.tar.gz").write_text("mine")
        with pytest.raises(Refused, match="appeared"):
            archive.publish()
        assert (tmp_path / "acme.tar.gz").read_text() == "mine"


class TestTakingUp:
    def test_files_of_an_unfinished_archive(self, tmp_path: Path) -> None:
        """Packed as they are, though other files stood before and between them."""
        files = {f"uploads/{number}": os.urandom(30_000 + number) for number in range(4)}
        left = local_archive(WorkFolder(tmp_path / "acme.tar.gz"), _go_on)
        places: dict[str, Place] = {}
        left.begin(places.__setitem__, {})
        for name in ("realm.json", *files):
            _write(left, name, files.get(name, b"{}"))
        left.leave()
        place = places["uploads/2"]
        path = tmp_path / ".acme.tar.gz.partial" / place.archive
        with path.open("r+b") as spoilt:
            spoilt.seek(place.offset + place.size // 2)
            spoilt.write(b"damaged")

        again = local_archive(WorkFolder(tmp_path / "acme.tar.gz", resume=True), _go_on)
        again.begin(lambda _name, _place: None, {"uploads/2": place})
        kept = {name: KeptFile(left.files[name], places[name]) for name in files}
        assert [again.has_kept(kept[name]) for name in files] == [True, True, False, True]
        _write(again, "realm.json", b"{}")
        for name in ("uploads/3", "uploads/0"):
            again.take_up(kept[name])
        _write(again, "uploads/1", b"new")
        again.publish()
        found = _contents(tmp_path / "acme.tar.gz")
        assert found == {
            "acme/realm.json": b"{}",
            "acme/uploads/3": files["uploads/3"],
            "acme/uploads/0": files["uploads/0"],
            "acme/uploads/1": b"new",
        }

    def test_archives_that_nothing_is_needed_of_are_removed(self, tmp_path: Path) -> None:
        left = local_archive(WorkFolder(tmp_path / "acme.tar.gz"), _go_on)
        _write(left, "realm.json", b"{}")
        left.leave()
        again = local_archive(WorkFolder(tmp_path / "acme.tar.gz", resume=True), _go_on)
        again.begin(lambda _name, _place: None, {})
        names = [path.name for path in (tmp_path / ".acme.tar.gz.partial").iterdir()]
        again.remove()
        assert names == ["archive-2"]


class TestPublishingAFile:
    def test_nothing_is_replaced(self, tmp_path: Path) -> None:
        aside, target = tmp_path / "aside", tmp_path / "acme.tar.gz"
        aside.write_text("new")
        target.write_text("mine")
        with pytest.raises(Refused, match="appeared"):
            publish_file(aside, target)
        assert target.read_text() == "mine"

    def test_it_gets_its_name(self, tmp_path: Path) -> None:
        aside, target = tmp_path / "aside", tmp_path / "acme.tar.gz"
        aside.write_text("new")
        publish_file(aside, target)
        assert [*tmp_path.iterdir()] == [target]
