"""Archives as they lie somewhere: a file here, or an object in an object store."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Protocol

from zcore import Unreachable
from zops_export.export_layout import NotAnExport

SCHEME = "s3://"
REPLACED = ("PreconditionFailed", "412")  # the answer where the object has another tag by now


def place_of(text: str) -> Path | str:
    """Where an export is, as it was written: a path, or the address of an object, as text."""
    return text if text.startswith(SCHEME) else Path(text)


class Packed(Protocol):
    """An archive that can be read from its beginning to its end, as often as wanted.

    `str()` of it is how people call it, `size` how many bytes it has.
    """

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO:
        """Its bytes. Raises `OSError`, or what an object store raises."""
        ...


class PackedFile:
    """An archive that is a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    @property
    def size(self) -> int:
        """Raises `OSError`."""
        return self._path.stat().st_size

    def open(self) -> BinaryIO:
        """See `Packed`."""
        return self._path.open("rb")


class PackedObject:
    """An archive that is an object, read as it arrives: nothing of it is kept here.

    A connection that breaks is gone on with from there, by ranges. All readings are of the same
    object, or fail. Raises `NotAnExport` when it is not there, and what a store raises.
    """

    def __init__(self, client: Any, place: str) -> None:  # boto3 makes its classes as it runs
        self._place = place
        self._client = client
        bucket, _, key = place.removeprefix(SCHEME).partition("/")
        if not bucket or not key or key.endswith("/"):
            raise NotAnExport(
                f"{place} names no object", hint="give bucket and key: s3://backups/acme.tar.gz"
            )
        self._object: dict[str, str] = {"Bucket": bucket, "Key": key}
        found = self._call("head_object")
        self.size = int(found["ContentLength"])
        self._object["IfMatch"] = found["ETag"]

    def __str__(self) -> str:
        return self._place

    def open(self) -> BinaryIO:
        """See `Packed`."""
        import io

        from zops_export.s3_content import ObjectContent
        from zops_export.s3_store import READ_BYTES

        answer = self._call("get_object")
        content = ObjectContent(self._client, self._object, answer, self._failure)
        return io.BufferedReader(content, READ_BYTES)

    def _call(self, name: str) -> Any:
        from botocore.exceptions import ClientError

        from zops_export.s3_errors import explained

        try:
            with explained(self._client, self._failure):
                return getattr(self._client, name)(**self._object)
        except FileNotFoundError:
            raise NotAnExport(f"there is no export {self._place}", code="no-such-export") from None
        except Unreachable as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in REPLACED:
                raise Unreachable(f"{self._failure}: it was replaced while it was read") from cause
            raise

    @property
    def _failure(self) -> str:
        return f"cannot read {self._place}"


def packed_object(place: str) -> PackedObject:
    """The object `place` (`s3://bucket/key`), in the store of the running command's settings."""
    from zcore import current
    from zops_export.s3_client import connect

    return PackedObject(connect(current().settings), place)
