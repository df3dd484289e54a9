"""Archives of somebody who means harm, or that went through a bad line: one problem, no trace."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.zops_export.spoiling import pack, problems_of, replace

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


@pytest.mark.parametrize("tail", [b"garbage", b"\x1f\x8b", b"0" * 4096])
def test_garbage_behind_an_archive(
    tail: bytes, zops_here: ZopsHere, light: Path, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(gzip.compress(pack(light, tmp_path / "acme.tar").read_bytes(), 1) + tail)
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
