"""An archive that goes to an object store while it is made, in parts of a multipart upload."""

from __future__ import annotations

import hashlib
import threading
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from zcore import Failed, Interrupted, ZopsError
from zops_export.ordered_work import waiting_for
from zops_export.s3_multipart import MultipartUpload, Part
from zops_export.written_files import writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from zops_export.upload_journal import UploadJournal

FIRST_PARTS = 8 << 20  # bytes; the protocol wants 5 MiB at least, and 10,000 parts at most
PARTS_OF_A_SIZE = 1000  # then they are twice as large: the last would begin after 4 TB
IN_MEMORY = 8 << 20  # larger parts wait in a file
AT_ONCE = 3
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_STOP = 1.0
SECONDS_TO_ABORT = 30.0


def part_size(number: int) -> int:
    """How many bytes the part of that number has, from 1, unless it is the last."""
    return FIRST_PARTS << ((number - 1) // PARTS_OF_A_SIZE)


class S3Sink:
    """See `zops_export.archive_sinks.ArchiveSink`. At most `AT_ONCE` parts are on their way.

    With a journal, an upload that was left is gone on with: a part that the store has already is
    not sent again.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        key: str,
        folder: Path,
        *,
        journal: UploadJournal,
        may_go_on: Callable[[], None],
        warn: Callable[[str], None],
    ) -> None:
        """Begin the upload; large parts wait in `folder`. Raises as `s3_errors.explained`."""
        self._folder = folder
        self._journal = journal
        self._may_go_on = may_go_on
        self._warn = warn
        self._kept: dict[int, Part] = {}
        self._upload = waiting_for(
            lambda: self._found(client, bucket, key) or self._begun(client, bucket, key), may_go_on
        )
        self._may_be_there = False
        self._parts: dict[int, Part] = {}
        self._number = 0
        self._room = threading.Semaphore(AT_ONCE)
        self._sending: set[threading.Thread] = set()
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._new_part()

    def _found(self, client: Any, bucket: str, key: str) -> MultipartUpload | None:
        upload = self._journal.upload(client)
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            return None
        try:
            self._kept = self._journal.kept(upload)
        except FileNotFoundError:
            return None
        return upload

    def _begun(self, client: Any, bucket: str, key: str) -> MultipartUpload:
        upload = MultipartUpload.begin(client, bucket, key)
        self._journal.begun(upload)
        return upload

    @property
    def name(self) -> str:
        """See `ArchiveSink.name`: what was sent cannot be read again."""
        return "sent"

    def write(self, data: bytes) -> None:
        """See `ArchiveSink.write`. Waits while too much is on its way."""
        rest = memoryview(data)
        while rest:
            taken = rest[: part_size(self._number) - self._size]
            with writing("the archive on its way"):
                self._body.write(taken)
            self._md5.update(taken)
            self._size += len(taken)
            rest = rest[len(taken) :]
            if self._size == part_size(self._number):
                self._end_part()
                self._new_part()

    def _new_part(self) -> None:
        self._number += 1
        self._body = SpooledTemporaryFile(IN_MEMORY, dir=str(self._folder))  # noqa: SIM115 # see `_send`
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size = 0

    def _end_part(self) -> None:
        kept = self._kept.get(self._number)
        if kept is not None and (kept.size, kept.md5) == (self._size, self._md5.hexdigest()):
            self._parts[self._number] = kept
            self._body.close()
            return
        self._wait_for_room()
        task = (self._number, cast("BinaryIO", self._body), self._size, self._md5.digest())
        thread = threading.Thread(target=self._send, args=task, name="zops-part", daemon=True)
        self._sending.add(thread)
        thread.start()

    def _wait_for_room(self) -> None:
        while not self._room.acquire(timeout=SECONDS_BETWEEN_LOOKS):
            self._may_go_on()
            self._raise_error()
        self._raise_error()

    def _raise_error(self) -> None:
        if isinstance(self._error, ZopsError):
            raise self._error
        if self._error is not None:
            raise Failed(f"cannot send the archive: {self._error!r}") from self._error

    def _send(self, number: int, body: BinaryIO, size: int, md5: bytes) -> None:
        """In a thread of its own."""
        try:
            with body:
                part = self._upload.send(number, body, size, md5)
            if not self._stopped.is_set():
                self._parts[number] = part
                self._journal.stored(number, part)
        except BaseException as error:  # noqa: BLE001 # raised by whoever writes
            self._error = self._error or error
        finally:
            self._sending.discard(threading.current_thread())
            self._room.release()

    def sync(self) -> None:
        """See `ArchiveSink.sync`."""
        self._end_part()
        for _ in range(AT_ONCE):
            self._wait_for_room()
        self._may_go_on()

    def finish(self) -> None:
        """See `ArchiveSink.finish`."""
        self._may_be_there = True
        waiting_for(lambda: self._upload.complete(self._parts), self._may_go_on)

    def abort(self) -> None:
        """See `ArchiveSink.abort`. That it cannot be done is only said."""
        self._stop()
        thread = threading.Thread(target=self._abort, name="zops-abort", daemon=True)
        thread.start()
        thread.join(SECONDS_TO_STOP if self._in_a_hurry() else SECONDS_TO_ABORT)
        if thread.is_alive():
            self._warn("parts of the archive may be left in the object store")

    def _abort(self) -> None:
        try:
            self._upload.abort()
            if self._may_be_there:
                self._upload.delete_own()
            self._journal.forget()
        except ZopsError as error:
            self._warn(f"parts of the archive may be left in the object store: {error.message}")

    def _in_a_hurry(self) -> bool:
        try:
            self._may_go_on()
        except Interrupted:
            return True
        return False

    def leave(self) -> None:
        """See `ArchiveSink.leave`: the parts that are stored stay."""
        self._stop()

    def _stop(self) -> None:
        self._stopped.set()
        self._body.close()
        for thread in tuple(self._sending):
            thread.join(SECONDS_TO_STOP / AT_ONCE)

    def take_back(self) -> None:
        """Delete what was finished."""
        self._upload.delete_own()
