"""The content of an object, read as it arrives."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from zcore import Unreachable
from zops_export.s3_errors import BROKEN_CONNECTION, explained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

RESUMED = 3  # times that one object is gone on with after its connection broke


class ObjectContent(io.RawIOBase):
    """What `answer` to a request for `place` (bucket and key) brings, from beginning to end.

    Where the connection breaks it is gone on with from there, if it still is the same object.
    What is raised begins with `failure`.
    """

    def __init__(
        self, client: Any, place: Mapping[str, str], answer: Mapping[str, Any], failure: str
    ) -> None:
        super().__init__()
        self._client = client
        self._failure = failure
        self._read = 0
        self._resumed = 0
        self._object = {**place, "IfMatch": answer["ETag"]}
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
                return data
            except BROKEN_CONNECTION:
                if self._resumed == RESUMED:
                    raise
                self._resumed += 1
                self._resume()

    def _resume(self) -> None:
        self._body.close()
        answer = self._client.get_object(**self._object, Range=f"bytes={self._read}-")
        self._body = answer["Body"]

    def close(self) -> None:
        """Give the connection back; when there is more to read, it is closed."""
        if not self.closed:
            self._body.close()
        super().close()
