"""What is named as an export but is none, or a damaged one: refused, with nothing written."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.interop.reading import REAL_EXPORTS
from tests.zops_export.spoiling import Watched, find_damage, pack, refuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere

PUBLIC = REAL_EXPORTS["public"]


def _text_file(path: Path) -> None:
    path.write_text("Dear administrator,\n\nplease find enclosed our export.\n" * 1000)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("realm.json", "{}")


def _other_archive(path: Path) -> None:
    folder = path.with_name("holiday")
    folder.mkdir()
    (folder / "beach.jpg").write_bytes(b"\xff\xd8 not really")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "holiday")
    shutil.rmtree(folder)


def _other_folder(path: Path) -> None:
    path.mkdir()
    (path / "notes.txt").write_text("buy milk")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


NO_EXPORTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "an empty file": lambda path: path.touch(),
    "an empty folder": lambda path: path.mkdir(),
    "a text file": _text_file,
    "two bytes of gzip": lambda path: path.write_bytes(b"\x1f\x8b"),
    "a zip archive": _zip,
    "an archive of something else": _other_archive,
    "a folder with something else": _other_folder,
    "a dangling link": lambda path: path.symlink_to(path.with_name("gone")),
    "a named pipe": _pipe,
    "zeros": lambda path: path.write_bytes(bytes(20480)),
}


@pytest.mark.parametrize("make", NO_EXPORTS.values(), ids=NO_EXPORTS)
def test_what_is_no_export(
    make: Callable[[Path], object], zops_here: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    make(path)
    refuse(zops_here, "import", "acme", path, about=str(path), watched=watched)
    find_damage(zops_here, path, str(path), watched)


@pytest.mark.parametrize("name", ["a" * 300, "~nobody-of-that-name/x", "-"])
def test_names_that_no_file_can_have(name: str, zops_here: ZopsHere, watched: Watched) -> None:
    refuse(zops_here, "import", "--", "acme", name, watched=watched)


def test_a_file_in_the_place_of_a_folder(
    zops_here: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    refuse(zops_here, "import", "acme", tmp_path / "file" / "x.tar.gz", watched=watched)


@pytest.mark.parametrize("folder", [f"{name}" for name in ("avatars", "uploads")])
def test_records_that_are_missing(
    folder: str, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    (light_copy / folder / "records.json").unlink()
    refuse(zops_here, "import", "acme", light_copy, about=f"{folder}/records", watched=watched)


@pytest.mark.parametrize("file", ["realm.json", "attachment.json", "migration_status.json"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_files_that_are_missing(
    file: str, packed: bool, zops_here: ZopsHere, watched: Watched, light_copy: Path, tmp_path: Path
) -> None:
    (light_copy / file).unlink()
    path = pack(light_copy, tmp_path / "acme.tar") if packed else light_copy
    refuse(zops_here, "import", "acme", path, about=file, watched=watched)


SIZE = PUBLIC.stat().st_size
CUTS = [1, 2, 9, 10, 11, 100, 20_000, SIZE // 2, SIZE - 30_000, SIZE - 100]
TRAILER = [SIZE - left for left in range(1, 10)]  # checksum and length, four bytes each


@pytest.mark.parametrize("size", [*CUTS, *TRAILER])
def test_an_archive_that_ends_too_early(
    size: int, zops_here: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(PUBLIC.read_bytes()[:size])
    refuse(zops_here, "import", "acme", path, about=f"{path} is damaged", watched=watched)


@pytest.mark.parametrize("place", [3000, SIZE // 3, SIZE - 8, SIZE - 4, SIZE - 1])
def test_an_archive_with_a_wrong_byte(
    place: int, zops_here: ZopsHere, watched: Watched, tmp_path: Path
) -> None:
    content = bytearray(PUBLIC.read_bytes())
    content[place] ^= 0x55
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(content)
    refuse(zops_here, "import", "acme", path, about=f"{path} is damaged", watched=watched)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("more", [0, 200], ids=["at a member", "in a header"])
def test_a_tar_that_ends_too_early(
    share: float, more: int, zops_here: ZopsHere, watched: Watched, light_copy: Path, tmp_path: Path
) -> None:
    """Cut where a member ends: only the missing end of the archive says that there was more."""
    path = pack(light_copy, tmp_path / "acme.tar")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    last = members[int(share * (len(members) - 1))]
    end = last.offset_data + -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    os.truncate(path, end + (more if share < 1 else 0))
    refuse(zops_here, "import", "acme", path, about=f"{path} is damaged", watched=watched)


def _member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = target
    return member


EVIL_MEMBERS = {
    "outside": _member("export/uploads/../../../evil", tarfile.REGTYPE),
    "absolute": _member("/tmp/evil", tarfile.REGTYPE),  # noqa: S108  # a name in an archive
    "symbolic link": _member("export/uploads/link", tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": _member("export/uploads/link", tarfile.LNKTYPE, "export/realm.json"),
    "device": _member("export/uploads/device", tarfile.CHRTYPE),
    "block device": _member("export/uploads/device", tarfile.BLKTYPE),
    "pipe": _member("export/uploads/pipe", tarfile.FIFOTYPE),
    "twice": _member("export/realm.json", tarfile.REGTYPE),
    "twice in other words": _member("export/./realm.json", tarfile.REGTYPE),
    "a second top": _member("other/realm.json", tarfile.REGTYPE),
}


@pytest.mark.parametrize("member", EVIL_MEMBERS.values(), ids=EVIL_MEMBERS)
def test_members_that_no_export_has(
    member: tarfile.TarInfo,
    zops_here: ZopsHere,
    watched: Watched,
    light_copy: Path,
    tmp_path: Path,
) -> None:
    path = pack(light_copy, tmp_path / "acme.tar", [member])
    refuse(zops_here, "import", "acme", path, watched=watched)


@pytest.mark.parametrize(
    ("name", "target"),
    [("uploads/link", "/etc/passwd"), ("uploads/link", "/etc"), ("stats.json", "realm.json")],
)
def test_links_in_a_folder(
    name: str, target: str, zops_here: ZopsHere, watched: Watched, light_copy: Path
) -> None:
    (light_copy / name).unlink(missing_ok=True)
    (light_copy / name).symlink_to(target)
    refuse(zops_here, "import", "acme", light_copy, about="symbolic link", watched=watched)


@pytest.mark.parametrize("top", ["", "uploads", "avatars", "x/y", "."])
def test_an_archive_may_have_any_top_folder(
    top: str, zops_here: ZopsHere, watched: Watched, light: Path, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar"
    with tarfile.open(path, "w") as archive:
        for found in sorted(light.iterdir()):
            archive.add(found, f"{top}/{found.name}" if top else found.name)
    if top == "x/y":
        refuse(zops_here, "import", "acme", path, watched=watched)
    else:
        assert zops_here("--json", "verify", path).json()["problems"] == []
