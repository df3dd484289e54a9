"""Files that are packed already: in an archive they are stored as they are, which costs nothing."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Protocol

from zops_export.export_layout import RECORDS

PICTURES = ("avatars", "emoji", "realm_icons")  # folders with nothing but pictures
PACKED_ALREADY = re.compile(
    r"\.(7z|apk|br|bz2|docx|epub|gz|jar|lz4|od[pst]|pptx|rar|t[bgx]z|whl|xlsx|xz|zip|zst"
    r"|avif|gif|hei[cf]|jpe?g|jxl|png|webp"
    r"|aac|avi|flac|m4[av]|mkv|mov|mp[34]|og[agv]|opus|webm|wm[av])",
    re.IGNORECASE,
)
LARGEST_BLOCK = 0xFFFF


class Packer(Protocol):
    """What makes a deflated stream of bytes, as `isal_zlib.compressobj` gives it."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """The beginning of `data`, packed."""
        ...

    def flush(self, mode: int, /) -> bytes:
        """What is left of it."""
        ...


class StoredBlocks:
    """A `Packer` that packs nothing: deflated streams have blocks for that."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """All of `data`, in blocks."""
        view = memoryview(data)
        parts: list[bytes | memoryview] = []
        for start in range(0, len(view), LARGEST_BLOCK):
            block = view[start : start + LARGEST_BLOCK]
            size = len(block)
            parts += [b"\0", size.to_bytes(2, "little"), (size ^ 0xFFFF).to_bytes(2, "little")]
            parts.append(block)
        return b"".join(parts)

    def flush(self, _mode: int, /) -> bytes:
        """Nothing: every block ends on a byte, and looks at no other."""
        return b""


def is_packed_already(name: str) -> bool:
    """Would packing the file of that name in an export take time and save nothing?"""
    path = PurePosixPath(name)
    if path.parts[0] in PICTURES:
        return path.name != RECORDS
    return path.parts[0] == "uploads" and PACKED_ALREADY.fullmatch(path.suffix) is not None
