"""Archives of somebody who means harm, or that went through a bad line: one problem, no trace."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.spoiling import Watched, pack, problems_of, refuse, replace
from zops_export import archive_reading

if TYPE_CHECKING:
    from pathlib import Path

    from tests.zops_export.conftest import ZopsHere


def _member(name: str, content: bytes = b"", **values: object) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in values.items():
        setattr(member, key, value)
    header = member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _pax(records: bytes, size: int | None = None) -> bytes:
    """A header that says more about the next member; `size`: what it says of itself."""
    member = tarfile.TarInfo("more")
    member.type = tarfile.XHDTYPE
    member.size = len(records) if size is None else size
    return member.tobuf(tarfile.GNU_FORMAT) + records + bytes(-len(records) % tarfile.BLOCKSIZE)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a link": (_member("x/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "unsafe-member"),
    "a hard link": (
        _member("x/link", type=tarfile.LNKTYPE, linkname="export/realm.json"),
        "unsafe-member",
    ),
    "a device": (_member("x/device", type=tarfile.CHRTYPE), "unsafe-member"),
    "a pipe": (_member("x/pipe", type=tarfile.FIFOTYPE), "unsafe-member"),
    "a way out": (_member("export/../../evil"), "unsafe-member"),
    "an absolute path": (_member("/tmp/evil"), "unsafe-member"),  # noqa: S108  # in an archive
    "a way out in a longer header": (
        _pax(b"26 path=export/../../evil\n") + _member("x"),
        "unsafe-member",
    ),
    "a name that is not UTF-8": (_member("export/\udcff.txt"), "unsafe-member"),
    "a file twice": (_member("export/realm.json"), "duplicate-member"),
    "a file of holes": (_member("x/holes", type=tarfile.GNUTYPE_SPARSE), "unsafe-member"),
    "holes in a longer header": (
        _pax(b"22 GNU.sparse.major=1\n") + _member("x/holes"),
        "unsafe-member",
    ),
    "a header without end": (_pax(b"9 a=b\n"), "damaged-archive"),
    "a header as long as a film": (_pax(b"", 1 << 33), "damaged-archive"),
    "a name as long as a film": (
        _member("name", type=tarfile.GNUTYPE_LONGNAME, size=1 << 33),
        "damaged-archive",
    ),
    "a file larger than the archive": (
        _member("x/large", size=1 << 40),
        "damaged-archive",
    ),
}


@pytest.mark.parametrize(("members", "code"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("packed", [False, True], ids=["tar", "tar.gz"])
def test_a_hostile_archive(
    members: bytes, code: str, packed: bool, zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    whole = pack(light, tmp_path / "acme.tar").read_bytes()
    end = whole.rstrip(b"\0")
    content = whole[: -(-len(end) // 512) * 512] + members + bytes(1024)
    path = tmp_path / "hostile"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    (problem,) = problems_of(zops_here, path)
    assert problem["code"] == code, problem
    assert problem["hint"]


def test_an_archive_that_grows_without_end_is_not_kept(
    zops_here: ZopsHere, light: Path, tmp_path: Path, temporary: Path
) -> None:
    """A few kilobytes that unpack to 64 megabytes of nothing, in the place of a row."""
    folder = tmp_path / "export"
    shutil.copytree(light, folder, copy_function=os.link)
    zeros = b'{"zerver_message": [{"id": 1, "content": "' + b"0" * (1 << 27)
    replace(folder / "messages-000003.json", zeros)
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(folder, "export")
    shutil.rmtree(folder)
    (problem,) = problems_of(zops_here, path)
    assert problem["code"] == "not-json"
    assert "larger than" in problem["message"]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("what", ["verify", "import"])
def test_a_bomb_is_not_unpacked_to_its_end(
    what: str,
    zops_here: ZopsHere,
    light: Path,
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Zeros under a name that nobody looks at, a thousand times as many as take room here."""
    monkeypatch.setattr(archive_reading, "HARMLESS_BYTES", 1 << 20)
    whole = pack(light, tmp_path / "acme.tar").read_bytes()
    end = whole.rstrip(b"\0")
    bomb = _member("export/nothing.bin", bytes(1 << 29))
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", 9) as packed:
        packed.write(bomb)
        packed.write(whole[: -(-len(end) // 512) * 512] + bytes(1024))
    monkeypatch.setattr(archive_reading, "MOST_TIMES", 100)
    words = ("verify", path) if what == "verify" else ("import", "acme", path)
    done = zops_here("--json", *words, exit_code=3)
    assert done.json()["error"]["code"] == "archive-bomb"
    assert list(temporary.iterdir()) == []


def test_an_archive_of_countless_files(
    zops_here: ZopsHere, light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_reading, "MOST_FILES", 50)
    (problem,) = problems_of(zops_here, pack(light, tmp_path / "acme.tar"))
    assert problem["code"] == "damaged-archive"
    assert "more than 50 members" in problem["message"]


def test_json_that_there_is_no_room_for(
    zops_here: ZopsHere,
    watched: Watched,
    light: Path,
    tmp_path: Path,
    small_disk: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is said before it is written, by what the archive says of itself."""
    path = pack(light, tmp_path / "acme.tar")
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk(200)))
    about = "and there are"
    refuse(zops_here, "import", "acme", path, exit_code=1, about=about, watched=watched)


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f\x8b", b"0" * 4096])
def test_garbage_behind_an_archive(
    tail: bytes, zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(gzip.compress(pack(light, tmp_path / "acme.tar").read_bytes(), 1) + tail)
    (problem,) = problems_of(zops_here, path)
    assert problem["code"] == "damaged-archive"


def test_a_packed_stream_that_refers_to_what_was_never_there(
    zops_here: ZopsHere, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    repeat_before_the_beginning = b"\x03\x02\0"
    path.write_bytes(gzip.compress(b"")[:10] + repeat_before_the_beginning + bytes(30))
    (problem,) = problems_of(zops_here, path)
    assert problem["code"] == "damaged-archive"


def test_an_archive_of_many_members_of_gzip(
    zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    """As `cat` makes them of several, and parallel programs of one; blocks end anywhere."""
    content = pack(light, tmp_path / "acme.tar").read_bytes()
    parts = [content[start : start + 10_007] for start in range(0, len(content), 10_007)]
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(b"".join(gzip.compress(part, 1) for part in parts))
    assert zops_here("--json", "verify", path).json()["problems"] == []
    path.write_bytes(b"".join(gzip.compress(part, 1) for part in parts[:-2]))
    (problem,) = problems_of(zops_here, path)
    assert problem["code"] == "damaged-archive"
