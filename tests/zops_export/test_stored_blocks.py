"""What is packed already is stored in archives as it is."""

from __future__ import annotations

import gzip
import random
import tarfile
from typing import TYPE_CHECKING

import pytest

from zops_export.archive_draft import local_archive
from zops_export.stored_blocks import LARGEST_BLOCK, is_packed_already
from zops_export.work_folder import WorkFolder

if TYPE_CHECKING:
    from pathlib import Path

SIZES = [0, 1, 511, 512, LARGEST_BLOCK, LARGEST_BLOCK + 1, 5 * LARGEST_BLOCK + 3]


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("avatars/2/ab.original", True),
        ("emoji/2/emoji/images/3.gif", True),
        ("realm_icons/2/icon.png", True),
        ("avatars/records.json", False),
        ("realm.json", False),
        ("messages-000001.json", False),
        ("uploads/2/ab/token/photo.JPeg", True),
        ("uploads/2/ab/token/a.tar.gz", True),
        ("uploads/2/ab/token/notes.txt", False),
        ("uploads/2/ab/token/png", False),
        ("uploads/2/ab/token/x.pngs", False),
        ("uploads/records.json", False),
    ],
)
def test_what_is_packed_already(name: str, packed: bool) -> None:
    assert is_packed_already(name) is packed


def test_both_kinds_are_one_archive(tmp_path: Path) -> None:
    target = tmp_path / "acme.tar.gz"
    draft = local_archive(WorkFolder(target), lambda: None)
    noise = random.Random(1)  # noqa: S311  # no secret
    contents = {"realm.json": b"{}" * 1000}
    for size in SIZES:
        contents[f"uploads/2/a/{size}.png"] = noise.randbytes(size)
        contents[f"uploads/2/a/{size}.txt"] = noise.randbytes(size)
    for name, content in contents.items():
        with draft.open(name) as file:
            file.write(content[:1000])
            file.write(content[1000:])
    draft.publish()
    with tarfile.open(target) as archive:
        found = {name: archive.extractfile(f"acme/{name}") for name in contents}
        assert {name: file.read() for name, file in found.items() if file} == contents
    gzip.decompress(target.read_bytes())


def test_stored_files_take_no_more_than_they_are(tmp_path: Path) -> None:
    target = tmp_path / "acme.tar.gz"
    draft = local_archive(WorkFolder(target), lambda: None)
    with draft.open("realm.json") as file:
        file.write(b"{}")
    before = draft.size
    with draft.open("uploads/a.zip") as file:
        file.write(bytes(1_000_000))  # which would be packed to next to nothing
    assert 1_000_000 < draft.size - before < 1_002_000
    draft.remove()
