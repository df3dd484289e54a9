"""Files of an export that a thread can take its time with, while the next ones are read."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from zcore import Failed
from zcore.database_errors import NO_ROOM

if TYPE_CHECKING:
    import threading

COPY_BYTES = 1 << 18
MOST_IN_MEMORY = 512 << 10  # bytes; larger ones wait in a nameless file in the temporary folder


def hold(content: BinaryIO) -> BinaryIO:
    """A seekable file with what `content` has, for whoever closes it.

    A member of an archive is kept aside; a file of a folder is only opened once more. Raises
    `Failed` when there is no room for it.
    """
    if content.seekable():
        return os.fdopen(os.dup(content.fileno()), "rb")
    spooled = tempfile.SpooledTemporaryFile(MOST_IN_MEMORY)  # noqa: SIM115  # closed by the caller
    try:
        shutil.copyfileobj(content, spooled, COPY_BYTES)
        spooled.seek(0)
    except BaseException as error:
        spooled.close()
        if isinstance(error, OSError):
            raise Failed(
                f"cannot keep a file in {tempfile.gettempdir()}: {error.strerror or error}",
                hint="set TMPDIR to a folder with more room",
                code=NO_ROOM,
            ) from error
        raise
    return cast("BinaryIO", spooled)


class UntilStopped:
    """Content that can no longer be read once the work was stopped, so that no file is finished."""

    def __init__(self, content: BinaryIO, stopped: threading.Event) -> None:
        self._content = content
        self._stopped = stopped

    def read(self, size: int = -1) -> bytes:
        """As of any stream. Raises `Failed` when the work was stopped."""
        if self._stopped.is_set():
            raise Failed("stopped in the middle of a file")
        return self._content.read(size)
