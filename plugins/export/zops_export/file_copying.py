"""Copying stored files into an export, many at a time; one that is lost does not end the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar, cast

from zcore import Failed, Finding, Unreachable, ZopsError
from zcore.files import Fetched, LocalStore, OutsideStore, StoredFile, Unreadable, fetch
from zops_export.ordered_work import OrderedWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from zcore.files import FileStore
    from zops_export.export_job import ExportJob

Thing = TypeVar("Thing")

MISSING, UNREADABLE = "missing-file", "unreadable-file"
FROM_A_FOLDER = 2  # at a time: a disk gets no faster by more, and the rows need the processor
FROM_ELSEWHERE = 16  # most of the time of each is spent waiting
UNREADABLE_AT_FIRST = 5  # so many, and none that could be read: it is the store, not the files


class Lost(Exception):  # not an error: it is caught for each file
    """A file that the store does not have, or does not give."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    @property
    def is_missing(self) -> bool:
        """The store does not have it."""
        return self.code == MISSING


class Copied(NamedTuple):
    """What became of files that belong together: the copied by path, the lost by key."""

    files: dict[str, StoredFile]
    lost: dict[str, Lost]


class Copier:
    """Copies files of `store` into the export of `job`."""

    def __init__(self, job: ExportJob, store: FileStore) -> None:
        self._job = job
        self._store = store
        self._lock = threading.Lock()
        self._unreadable = 0
        self._read_one = False
        self._stopped = threading.Event()

    def each(
        self, kind: str, wanted: Iterable[tuple[Mapping[str, str], Thing]]
    ) -> Iterator[tuple[Thing, Copied]]:
        """Copy files into the folder `kind` of the export: to each path there, the file of a key.

        Each mapping of paths to keys comes with the thing that the files belong to; the things
        come back in order, with what became of their files. Raises `Unreachable` when the store
        is gone.
        """
        threads = FROM_A_FOLDER if isinstance(self._store, LocalStore) else FROM_ELSEWHERE
        worker: OrderedWork[tuple[Mapping[str, str], Thing], Copied] = OrderedWork(
            lambda task: self._copy_all(kind, task[0]), threads, self._job.may_go_on
        )
        self._stopped = worker.stopped
        for (_, thing), copied in worker.results(wanted):
            yield thing, copied

    def _copy_all(self, kind: str, keys: Mapping[str, str]) -> Copied:
        copied = Copied({}, {})
        for path, key in keys.items():
            try:
                copied.files[path] = self._copy(key, f"{kind}/{path}")
            except Lost as lost:
                copied.lost[key] = lost
        return copied

    def _copy(self, key: str, name: str) -> StoredFile:
        """Raises `Lost` when there is no such file, or this one cannot be read."""
        try:
            stored = self._job.copy(
                name, find=lambda: self._store.find(key), fetch=lambda: self._fetch(key)
            )
        except FileNotFoundError as error:
            raise Lost(MISSING, "is not in the file store") from error
        except _CannotRead as error:
            raise self._lost(error.reason) from error
        except (OutsideStore, Unreadable, Unreachable) as error:
            raise self._lost(error) from error
        self._read_one = True
        return stored

    def _fetch(self, key: str) -> Fetched:
        stored, content = fetch(self._store, key)
        return Fetched(stored, cast("BinaryIO", _Content(content, key, self._stopped)))

    def _lost(self, error: ZopsError) -> Lost:
        """Is it the file, or all of the store? Raises `Unreachable` then."""
        if isinstance(error, Unreachable):
            self._require_usable()
            with self._lock:
                self._unreadable += 1
                if not self._read_one and self._unreadable >= UNREADABLE_AT_FIRST:
                    raise error
        return Lost(UNREADABLE, f"cannot be read ({error.message})")

    def _require_usable(self) -> None:
        look: Callable[[], None] | None = getattr(self._store, "require_usable", None)
        if look is not None:
            look()


class _CannotRead(Exception):
    """What was read from broke off; not what was written to."""

    def __init__(self, reason: ZopsError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class _Content:
    """A file's content, whose errors can be told from those of what it is written to."""

    def __init__(self, content: BinaryIO, key: str, stopped: threading.Event) -> None:
        self._content = content
        self._key = key
        self._stopped = stopped

    def read(self, size: int = -1) -> bytes:
        """As of any stream. Raises `_CannotRead`; `Failed` once the work was stopped."""
        try:
            data = self._content.read(size)
        except (Unreadable, Unreachable) as error:
            raise _CannotRead(error) from error
        except OSError as error:
            reason = Unreadable(f"cannot read {self._key!r}: {error.strerror or error}")
            raise _CannotRead(reason) from error
        if self._stopped.is_set():
            raise Failed("stopped in the middle of a file")
        return data

    def close(self) -> None:
        """Give back what it is read from."""
        self._content.close()

    def __enter__(self) -> _Content:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def report_lost(job: ExportJob, lost: Lost, what: str, key: str, hint: str = "") -> None:
    """Note that the file `key` was left out. Raises `Failed` when the export is to fail then."""
    message = f"the file of the {what} {lost.reason}"
    hint = hint if lost.is_missing else ""
    if job.fail_on_missing_file:
        raise Failed(f"{message}: {key}", hint=hint, code=lost.code)
    job.find(Finding(lost.code, f"{message}; it was left out", where=key, hint=hint))
