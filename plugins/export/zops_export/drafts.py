"""An export while it is made, whatever it becomes: a folder, or an archive somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zcore.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from zops_export.written_files import HashingFile, WrittenFile


@frozen
class Place:
    """Where a file stands in an unfinished archive, packed: so many bytes from an offset on.

    `sha256` is that of these bytes; `crc` and `plain` are the checksum and number of the bytes
    that they are unpacked.
    """

    archive: str
    offset: int
    size: int
    sha256: str
    crc: int
    plain: int


@frozen
class KeptFile:
    """A file that an earlier run wrote; of an archive, where it stands there."""

    file: WrittenFile
    place: Place | None = None


class Draft(Protocol):
    """An export while it is made. Several threads write to it, each a file of its own."""

    @property
    def files(self) -> Mapping[str, WrittenFile]:
        """Every file that is finished, by its path inside."""
        ...

    @property
    def size(self) -> int:
        """Bytes that it takes where it is published."""
        ...

    def open(self, name: str) -> AbstractContextManager[HashingFile]:
        """A new file `name` (a relative path).

        Raises `Failed` when there is one, when the name leads outside, when it cannot be written.
        """
        ...

    def begin(self, placed: Callable[[str, Place], None], places: Mapping[str, Place]) -> None:
        """Say `placed` of each file that a later run will find, and where.

        `places` are those of earlier runs, from which files may be taken up.
        """
        ...

    def has_kept(self, kept: KeptFile) -> bool:
        """Is this file of the earlier run there, as it was?"""
        ...

    def take_up(self, kept: KeptFile) -> None:
        """Make a file of the earlier run one of this export."""
        ...

    def publish(self) -> str:
        """Give it its final name, once all of it is safe; the SHA-256 of what is published.

        Of a folder, that is the one of its manifest. What is left in the work folder stays.
        Raises `Refused` when something is there.
        """
        ...

    def remove(self) -> None:
        """Throw everything away that is not published."""
        ...

    def leave(self) -> None:
        """Keep everything for a later run."""
        ...
