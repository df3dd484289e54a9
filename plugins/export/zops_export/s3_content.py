"""The content of an object, read as it arrives."""

from __future__ import annotations

import io
import random
import time
from typing import TYPE_CHECKING, Any

from zcore import Unreachable
from zops_export.s3_errors import BROKEN_CONNECTION, explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

RESUMED = 4  # times in a row that an object is gone on with, without this having arrived between
PROGRESS_BYTES = 1 << 20
FIRST_PAUSE = 1.0  # seconds at most before the second time; doubled for each one after


class ObjectContent(io.RawIOBase):
    """What `answer` to a request for `place` (bucket and key) brings, from beginning to end.

    Where the connection breaks or stalls it is gone on with from there, if it still is the same
    object: at once, then after random pauses that grow. What is raised begins with `failure`.
    """

    def __init__(
        self, client: Any, place: Mapping[str, str], answer: Mapping[str, Any], failure: str
    ) -> None:
        super().__init__()
        self._client = client
        self._failure = failure
        self._read = 0
        self._resumed = 0
        self._resumed_at = 0
        self._object = {**place, **({"IfMatch": answer["ETag"]} if "ETag" in answer else {})}
        self._body = answer["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        try:
            with explained(self._client, self._failure):
                data = self._next(len(view))
        except FileNotFoundError as error:
            raise Unreachable(f"{self._failure}: it was deleted meanwhile") from error
        view[: len(data)] = data
        self._read += len(data)
        return len(data)

    def _next(self, size: int) -> bytes:
        while True:
            try:
                data: bytes = self._body.read(size)
            except BROKEN_CONNECTION:
                if self._read - self._resumed_at >= PROGRESS_BYTES:
                    self._resumed = 0
                if self._resumed == RESUMED:
                    raise
                self._resume()
            else:
                return data

    def _pause(self) -> None:
        """Wait; not all that broke at once may come back at once."""
        if self._resumed:
            longest = FIRST_PAUSE * 2 ** (self._resumed - 1)
            time.sleep(random.uniform(0, longest))  # noqa: S311 # no secret

    def _resume(self) -> None:
        self._body.close()
        self._pause()
        self._resumed += 1
        self._resumed_at = self._read
        part = {"Range": f"bytes={self._read}-"} if self._read else {}
        answer = self._client.get_object(**self._object, **part)
        if part and "ContentRange" not in answer:
            raise Unreachable(f"{self._failure}: the store cannot go on in the middle of it")
        self._body = answer["Body"]

    def close(self) -> None:
        """Give the connection back; when there is more to read, it is closed."""
        if not self.closed:
            self._body.close()
        super().close()
