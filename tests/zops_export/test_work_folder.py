"""The folder that an export is written in: private, hashed, published whole or thrown away."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zcore.errors import Failed, Refused
from zops_export.work_folder import BUFFER_BYTES, HashingFile, WorkFolder, WrittenFile, publish_file


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Nothing is taken from the modes that files and folders are made with."""
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.fixture
def folder(tmp_path: Path) -> WorkFolder:
    return WorkFolder(tmp_path / "export")


def write(folder: WorkFolder, name: str, *parts: bytes) -> WrittenFile:
    with folder.open(name) as file:
        for part in parts:
            file.write(part)
    return folder.files[name]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- writing


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"one"],
        [b"one", b"", b"two"] * 1000,
        [b"x" * (BUFFER_BYTES - 1), b"y", b"z"],
        [b"x" * BUFFER_BYTES],
        [b"x" * (3 * BUFFER_BYTES + 1), b"end"],
    ],
    ids=lambda parts: f"{len(parts)} parts",
)
def test_size_and_hash_are_those_of_the_file(folder: WorkFolder, parts: list[bytes]) -> None:
    content = b"".join(parts)
    written = write(folder, "a.json", *parts)
    assert (folder.path / "a.json").read_bytes() == content
    assert written == WrittenFile("a.json", len(content), hashlib.sha256(content).hexdigest())


def test_a_disk_that_takes_only_parts_gets_all_of_them() -> None:
    """As the last write before a disk is full may do."""

    class Slow(io.BytesIO):
        def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
            return super().write(data[:1000])

    raw = Slow()
    file = HashingFile(raw)
    content = os.urandom(BUFFER_BYTES + 12_345)
    file.write(content)
    assert file.finish() == hashlib.sha256(raw.getvalue()).hexdigest()
    assert raw.getvalue() == content
    assert file.size == len(content)


def test_a_copy_is_the_same(folder: WorkFolder) -> None:
    content = os.urandom(2 * BUFFER_BYTES + 5)
    assert folder.copy("uploads/2/ab/a b.png", io.BytesIO(content)) == len(content)
    assert (folder.path / "uploads/2/ab/a b.png").read_bytes() == content
    assert folder.files["uploads/2/ab/a b.png"].sha256 == hashlib.sha256(content).hexdigest()


def test_the_size_is_that_of_all_files(folder: WorkFolder) -> None:
    assert folder.size == 0
    write(folder, "a", b"12")
    write(folder, "b/c", b"345")
    assert folder.size == 5
    assert list(folder.files) == ["a", "b/c"]


@pytest.mark.usefixtures("open_umask")
def test_nothing_can_be_read_by_others(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "export")
    assert folder.path.stat().st_mode & 0o7777 == 0o700
    with folder.open("uploads/2/ab/c.png") as file:
        file.write(b"x")  # while it is being written
        modes = {path.name: path.stat().st_mode & 0o7777 for path in folder.path.rglob("*")}
    assert modes == {"uploads": 0o700, "2": 0o700, "ab": 0o700, "c.png": 0o600}
    folder.publish()
    assert folder.target.stat().st_mode & 0o7777 == 0o700
    assert (folder.target / "uploads/2/ab/c.png").stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    "name", ["", "/", ".", "..", "../x", "a/../../x", "a/..", "/etc/x", "a\0b", "\0", "./.."]
)
def test_a_name_that_leads_outside_is_refused(
    folder: WorkFolder, name: str, tmp_path: Path
) -> None:
    before = names(tmp_path)
    with pytest.raises(Failed, match="is no name"):
        write(folder, name, b"x")
    with pytest.raises(Failed, match="is no name"):
        folder.copy(name, io.BytesIO(b"x"))
    assert names(tmp_path) == before
    assert not folder.files


def test_a_file_is_written_once(folder: WorkFolder) -> None:
    write(folder, "a", b"first")
    with pytest.raises(Failed, match="cannot write a of the export"):
        write(folder, "a", b"second")
    assert (folder.path / "a").read_bytes() == b"first"


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d")])
def test_a_file_and_a_folder_of_one_name_are_one_line(
    folder: WorkFolder, first: str, second: str
) -> None:
    write(folder, first, b"x")
    with pytest.raises((Failed, Refused), match="cannot write") as caught:
        write(folder, second, b"x")
    assert "\n" not in caught.value.message


def test_a_name_too_long_is_one_line(folder: WorkFolder) -> None:
    for name in ("x" * 300, "x" * 300 + "/a"):
        with pytest.raises((Failed, Refused), match="name too long"):
            write(folder, name, b"x")


def test_what_fails_while_writing_passes(folder: WorkFolder) -> None:
    def attempt() -> None:
        with folder.open("a") as file:
            file.write(b"half")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        attempt()
    assert "a" not in folder.files


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is always full")
def test_a_full_disk_is_one_line(folder: WorkFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", lambda *_args, _open=os.open: _open("/dev/full", os.O_WRONLY))
    with pytest.raises(Failed, match="cannot write a of the export: No space left"):
        write(folder, "a", b"x" * (2 * BUFFER_BYTES))


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for parent in ("missing", "file"):
        with pytest.raises(Refused, match="cannot write to") as caught:
            WorkFolder(tmp_path / parent / "export")
        assert "--output" in caught.value.hint
    assert names(tmp_path) == ["file"]


def test_two_exports_to_one_place_do_not_meet(tmp_path: Path) -> None:
    first, second = WorkFolder(tmp_path / "export"), WorkFolder(tmp_path / "export")
    write(first, "a", b"first")
    write(second, "a", b"second")
    first.publish()
    with pytest.raises(Refused, match="appeared"):
        second.publish()
    second.remove()
    assert (tmp_path / "export" / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["export", "export/a"]


# --- publishing


def test_published_it_has_its_name_and_nothing_is_beside_it(
    folder: WorkFolder, tmp_path: Path
) -> None:
    write(folder, "realm.json", b"{}")
    write(folder, "uploads/records.json", b"[]")
    assert not folder.target.exists()
    folder.publish()
    assert names(tmp_path) == [
        "export",
        "export/realm.json",
        "export/uploads",
        "export/uploads/records.json",
    ]


@pytest.mark.parametrize("kind", ["file", "folder", "empty folder", "link", "dead link"])
def test_what_appeared_in_its_place_is_left_alone(
    folder: WorkFolder, tmp_path: Path, kind: str
) -> None:
    write(folder, "a", b"x")
    match kind:
        case "file":
            folder.target.write_text("theirs")
        case "folder":
            (folder.target / "theirs").mkdir(parents=True)
        case "empty folder":
            folder.target.mkdir()
        case "link":
            folder.target.symlink_to("/etc")
        case _:
            folder.target.symlink_to("nowhere")
    before = [name for name in names(tmp_path) if not name.startswith(".")]
    with pytest.raises(Refused, match="appeared while"):
        folder.publish()
    assert (folder.path / "a").read_bytes() == b"x"
    folder.remove()
    assert names(tmp_path) == before


def test_a_place_that_went_away_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    folder = WorkFolder(tmp_path / "there" / "export")
    folder.path.rmdir()
    (tmp_path / "there").rmdir()
    with pytest.raises(Failed, match="cannot write"):
        folder.publish()


def test_removed_it_leaves_nothing(folder: WorkFolder, tmp_path: Path) -> None:
    write(folder, "a/b/c", b"x")
    folder.remove()
    folder.remove()
    assert names(tmp_path) == []


# --- an archive instead of a folder


def test_a_finished_file_gets_its_name(tmp_path: Path) -> None:
    aside, target = tmp_path / ".aside", tmp_path / "export.tar.gz"
    aside.write_bytes(b"archive")
    aside.chmod(0o600)
    publish_file(aside, target)
    assert names(tmp_path) == ["export.tar.gz"]
    assert target.read_bytes() == b"archive"
    assert target.stat().st_mode & 0o7777 == 0o600
    assert target.stat().st_nlink == 1


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_appeared_is_left_alone(tmp_path: Path, link: bool) -> None:
    aside, target = tmp_path / ".aside", tmp_path / "export.tar.gz"
    aside.write_bytes(b"archive")
    if link:
        target.symlink_to("nowhere")
    else:
        target.write_bytes(b"theirs")
    with pytest.raises(Refused, match="appeared while"):
        publish_file(aside, target)
    assert aside.read_bytes() == b"archive"
    assert target.is_symlink() == link


def test_without_links_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems that know none."""

    def no_links(*_paths: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    aside, target = tmp_path / ".aside", tmp_path / "export.tar.gz"
    aside.write_bytes(b"archive")
    publish_file(aside, target)
    assert names(tmp_path) == ["export.tar.gz"]


def test_a_finished_file_that_went_away_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="cannot write"):
        publish_file(tmp_path / ".aside", tmp_path / "export.tar.gz")
