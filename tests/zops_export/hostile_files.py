"""Changes of the files of an unpacked export, and archives of it that nobody made in good faith."""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.zops_export.spoiling import replace

Change = Callable[[random.Random, Path], None]
Pack = Callable[[random.Random, Path, Path], None]
HUGE = 1 << 40


def _any_file(dice: random.Random, folder: Path) -> Path:
    """A JSON file, mostly."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    json_files = [path for path in files if path.suffix == ".json"]
    return dice.choice(json_files if dice.random() < 0.85 else files)


def flip_bytes(dice: random.Random, folder: Path) -> None:
    """Some bytes are others."""
    path = _any_file(dice, folder)
    content = bytearray(path.read_bytes())
    for _ in range(dice.choice((1, 1, 1, 3, 30))):
        if content:
            content[dice.randrange(len(content))] = dice.choice((dice.randrange(256), 0, 34, 255))
    replace(path, bytes(content))


def cut(dice: random.Random, folder: Path) -> None:
    """The file ends too early, or a piece in the middle is missing."""
    path = _any_file(dice, folder)
    content = path.read_bytes()
    start = dice.randrange(len(content) + 1)
    end = dice.choice((len(content), start + dice.randrange(1, 2000)))
    replace(path, content[:start] + content[end:])


def insert(dice: random.Random, folder: Path) -> None:
    """Something stands in a file that does not belong there."""
    path = _any_file(dice, folder)
    content = path.read_bytes()
    place = dice.randrange(len(content) + 1)
    pieces = (
        *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"{}", b"[]", b","),
        *(b"[" * 200_000, b'"', b"\\", bytes(100_000), b" " * 3_000_000, b"NaN", content[:5000]),
    )
    where = dice.choice((0, len(content), place))
    replace(path, content[:where] + dice.choice(pieces) + content[where:])


def other_file(dice: random.Random, folder: Path) -> None:
    """In the place of a file there is none, or no ordinary one, or another one."""
    path = _any_file(dice, folder)
    other = _any_file(dice, folder)
    content = other.read_bytes()
    path.unlink()
    action = dice.randrange(8)
    if action == 0:
        return
    if action == 1:
        path.symlink_to(dice.choice(("/etc/passwd", "/dev/zero", "..", "realm.json", path.name)))
    elif action == 2:
        path.mkdir()
    elif action == 3:
        os.mkfifo(path)
    elif action == 4:
        path.write_bytes(b"")
    elif action == 5:
        with path.open("wb") as file:
            file.truncate(1 << 31)  # takes no room on the disk
    elif action == 6:
        path.write_bytes(b'{"zerver_message": [{"id": 1, "content": "' + b"x" * (80 << 20))
    else:
        path.write_bytes(content)


def more_files(dice: random.Random, folder: Path) -> None:
    """There are files that no export has, or numbers of message files are missing."""
    names = (
        *("messages-000009.json", "messages-000001.json.partial", "messages-000002.json.locked"),
        *("messages-000000.json", "messages-999999999999.json", "messages-0000001.json"),
        *("uploads/\udcff", "a" * 200, "realm.json.gz", "uploads/../x", "\n", "zops-manifest.json"),
    )
    path = folder / dice.choice(names)
    path.write_bytes(dice.choice((b"{}", b"", b'{"zerver_message": [], "zerver_usermessage": []}')))


def _chunk(kind: bytes, content: bytes) -> bytes:
    sum_of_it = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + sum_of_it


def _png(width: int, height: int, pixels: bytes, *, depth: int = 8, color: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(30 << 20)))
    parts = (_chunk(b"IHDR", header), text, _chunk(b"IDAT", pixels), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _gif(width: int, height: int, frames: int) -> bytes:
    size = struct.pack("<HH", width, height)
    frame = b"\x2c" + bytes(4) + size + b"\0\x02\x02\x4c\x01\0"
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + frame * frames + b";"


def spoil_picture(dice: random.Random, folder: Path) -> None:
    """A picture is none, or one that takes a thousand times its size to be shown."""
    pictures = [path for path in folder.rglob("*.*") if path.suffix in PICTURES]
    path = dice.choice(sorted(pictures))
    content = path.read_bytes()
    place = dice.randrange(len(content))
    zeros = zlib.compress(bytes(20 << 20), 1)
    made = (
        *(content[:place], content[:place] + b"\xff\0" * 9 + content[place:], b"<svg/>", b"GIF89a"),
        *(_png(60_000, 60_000, zeros), _png(1 << 31, 1, zeros), _png(0, 0, b""), _png(9, 9, b"x")),
        *(_png(5000, 5000, zeros), _png(30_000, 1, zeros), _png(900, 900, zeros, depth=16)),
        *(_gif(1, 1, 20_000), _gif(65_535, 65_535, 1), _gif(500, 500, 400), _gif(0, 0, 3)),
        *(
            b"\x89PNG\r\n\x1a\n",
            b"II*\0" + b"\xff" * 400,
            b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(90),
        ),
        *(b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0" * 9000, b"%PDF-1.4", b"P6 9 9 255 x", b"BM"),
    )
    replace(path, dice.choice(made))


PICTURES = (".png", ".gif", ".jpg", ".jpeg", ".original", ".webp")

FILE_CHANGES: dict[str, Change] = {
    "flip-bytes": flip_bytes,
    "cut": cut,
    "insert": insert,
    "other-file": other_file,
    "more-files": more_files,
    "spoil-picture": spoil_picture,
}

# Archives ---------------------------------------------------------------------------------------


def _member(name: str, content: bytes = b"", **values: object) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in values.items():
        setattr(member, key, value)
    header = member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _tar(folder: Path, top: str = "export") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, top)
    return buffer.getvalue()


def _behind(whole: bytes, members: bytes) -> bytes:
    """More members behind the last one."""
    end = whole.rstrip(b"\0")
    return whole[: -(-len(end) // 512) * 512] + members + bytes(1024)


def with_members(dice: random.Random, folder: Path, archive: Path) -> None:
    """Members that lead outside, that are no files, that are there twice, that lie."""
    name = dice.choice(
        (
            *("export/uploads/x", "export/../../outside/evil", "/zops-evil", "export/realm.json"),
            *("export/avatars/records.json", "../evil", "export/a\0b", "export/\udcff", "x" * 99),
            *("export/messages-000001.json", "export//realm.json", "export/./realm.json", "", "/"),
            *("other/realm.json", "export/REALM.JSON", "export/uploads/" + "d/" * 40 + "x"),
        )
    )
    kinds = (
        *(tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE),
        *(tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, b"Z"),
        *(tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK),
    )
    values: dict[str, object] = {"type": dice.choice(kinds)}
    if dice.random() < 0.3:
        values["size"] = dice.choice((HUGE, 1 << 33, 511, 1, 70_000))
    links = ("/etc/passwd", "../../..", "export/realm.json", "")
    content = dice.choice((b"", b"{}", b"12 path=/etc\n", b"9 a=b\n", b"x" * 700))
    member = _member(name[:99], content, linkname=dice.choice(links), **values)
    _write(dice, archive, _behind(_tar(folder), member * dice.choice((1, 1, 2))))


def spoiled_archive(dice: random.Random, folder: Path, archive: Path) -> None:
    """An archive with other bytes, in the packed stream or in the tar."""
    content = bytearray(_tar(folder, dice.choice(("export", ".", "a/b", ""))))
    inside = dice.random() < 0.5
    packed = bytearray(content if inside else gzip.compress(bytes(content), 1))
    for _ in range(dice.choice((1, 1, 5, 100))):
        place = dice.randrange(len(packed) // dice.choice((1, 1, 100)))
        packed[place] = dice.randrange(256)
    archive.write_bytes(gzip.compress(bytes(packed), 1) if inside else bytes(packed))


def cut_archive(dice: random.Random, folder: Path, archive: Path) -> None:
    """An archive that ends too early, or goes on with something else."""
    content = _tar(folder)
    packed = gzip.compress(content, 1)
    pieces = (b"garbage", b"\x1f\x8b", bytes(10_000), packed, b"\x1f\x8b\x08\0" + bytes(40))
    made = dice.choice(
        (
            packed[: dice.randrange(len(packed))],
            content[: dice.randrange(len(content))],
            packed + dice.choice(pieces),
            content + dice.choice(pieces),
            gzip.compress(content[: dice.randrange(len(content))], 1),
            gzip.compress(packed, 1),
            b"",
        )
    )
    archive.write_bytes(made)


def bomb(dice: random.Random, folder: Path, archive: Path) -> None:
    """A few kilobytes that unpack to hundreds of megabytes."""
    name = dice.choice(("messages-000001.json", "realm.json", "uploads/records.json", "stats.json"))
    start = dice.choice(
        (
            *(b'{"zerver_message": [', b'{"zerver_message": [{"id": 1, "content": "', b"[", b""),
            *(b'{"', b'{"a": ', b'[{"path": "', b'{"zerver_message": [{'),
        )
    )
    filling = dice.choice((b" ", b"0", b"[", b'{"a":', b"x", b"\\n", b"[],", b'"",', b"{},", b"}"))
    size = dice.choice((20 << 20, 80 << 20, 150 << 20))
    content = start + filling * (size // len(filling))
    path = folder / name
    path.unlink(missing_ok=True)
    whole = _tar(folder)
    with gzip.open(archive, "wb", compresslevel=1) as packed:
        packed.write(_behind(whole, _member(f"export/{name}", content)))


def _write(dice: random.Random, archive: Path, content: bytes) -> None:
    archive.write_bytes(gzip.compress(content, 1) if dice.random() < 0.5 else content)


PACKS: dict[str, Pack] = {
    "with-members": with_members,
    "spoiled-archive": spoiled_archive,
    "cut-archive": cut_archive,
    "bomb": bomb,
}
