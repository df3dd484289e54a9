"""Where an archive goes while it is made: bytes in order, published whole or not at all."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Protocol

from zcore import Refused
from zops_export.work_folder import sync
from zops_export.written_files import writing

if TYPE_CHECKING:
    from pathlib import Path


SYNCED_ASIDE = 8 << 20  # bytes, after each of which the disk is asked to take them up


class ArchiveSink(Protocol):
    """Takes the bytes of an archive, in order, from one thread at a time.

    Every method raises `zcore.ZopsError` when it cannot do its work. After `finish`, `abort` or
    `leave` nothing else is called.
    """

    @property
    def name(self) -> str:
        """By which a later run finds what this one wrote; see `zops_export.drafts.Place`."""
        ...

    def write(self, data: bytes) -> None:
        """Add `data`."""
        ...

    def sync(self) -> None:
        """That was all: have it be safe, so that only the final name is left to give."""
        ...

    def finish(self) -> None:
        """Let the archive appear under its final name."""
        ...

    def abort(self) -> None:
        """Throw away what was written."""
        ...

    def leave(self) -> None:
        """Keep what was written for a later run, as far as that can be."""
        ...


class RevocableSink(ArchiveSink, Protocol):
    """A sink of which even what is finished can be taken back."""

    def take_back(self) -> None:
        """Remove what was published."""
        ...


class FileSink:
    """A private file (0600) at `path`, which becomes `target`: on the same file system."""

    def __init__(self, path: Path, target: Path) -> None:
        """Make the file. Raises `Failed`."""
        self.name = path.name
        self._path = path
        self._target = target
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        with writing(target):
            self._file = os.open(path, flags, 0o600)
        self._aside: threading.Thread | None = None
        self._not_synced = 0
        self._error: OSError | None = None

    def write(self, data: bytes) -> None:
        """See `ArchiveSink.write`. The disk takes it up meanwhile: little is left for `sync`."""
        with writing(self._target):
            rest = memoryview(data)
            while rest:  # a disk that is nearly full takes a part, and says so only then
                rest = rest[os.write(self._file, rest) :]
        self._not_synced += len(data)
        if self._not_synced >= SYNCED_ASIDE and (self._aside is None or not self._aside.is_alive()):
            self._not_synced = 0
            self._aside = threading.Thread(target=self._sync_aside, name="zops-sync", daemon=True)
            self._aside.start()

    def _sync_aside(self) -> None:
        try:
            os.fdatasync(self._file)
        except OSError as error:  # the system says it once: not to the next who asks
            self._error = self._error or error

    def _wait(self) -> None:
        if self._aside is not None:
            self._aside.join()

    def sync(self) -> None:
        """See `ArchiveSink.sync`."""
        self._wait()
        with writing(self._target):
            if self._error is not None:
                raise self._error
            os.fsync(self._file)

    def finish(self) -> None:
        """See `ArchiveSink.finish`. Raises `Refused` when something is at `target` by now."""
        self._close()
        publish_file(self._path, self._target)

    def abort(self) -> None:
        """See `ArchiveSink.abort`."""
        self._close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def leave(self) -> None:
        """See `ArchiveSink.leave`."""
        self._close()

    def _close(self) -> None:
        self._wait()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def take_back(self) -> None:
        """See `RevocableSink.take_back`."""
        with writing(self._target):
            self._target.unlink(missing_ok=True)


class TeeSink:
    """Two sinks that get the same; later runs find what is in the `first`.

    Both are published, or none; without `keep`, only the `second`.
    """

    def __init__(self, first: FileSink, second: RevocableSink, *, keep: bool) -> None:
        self.name = first.name
        self._first = first
        self._second = second
        self._keep = keep

    def write(self, data: bytes) -> None:
        """See `ArchiveSink.write`."""
        self._first.write(data)
        self._second.write(data)

    def sync(self) -> None:
        """See `ArchiveSink.sync`."""
        self._first.sync()
        self._second.sync()

    def finish(self) -> None:
        """See `ArchiveSink.finish`."""
        self._second.finish()
        try:
            if self._keep:
                self._first.finish()
            else:
                self._first.leave()
        except BaseException:
            self._second.take_back()
            raise

    def abort(self) -> None:
        """See `ArchiveSink.abort`."""
        self._first.abort()
        self._second.abort()

    def leave(self) -> None:
        """See `ArchiveSink.leave`."""
        self._first.leave()
        self._second.leave()


def publish_file(aside: Path, target: Path) -> None:
    """Give `aside`, which is on the disk, its final name. `Refused` when something is there."""
    with writing(target):
        try:
            os.link(aside, target)
        except FileExistsError:
            raise Refused(f"{target} appeared while the export was made") from None
        except OSError:  # a file system without links: the name was free a moment ago
            aside.rename(target)
        aside.unlink(missing_ok=True)
        sync(target.parent)
