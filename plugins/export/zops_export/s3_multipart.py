"""One multipart upload of an object: its parts, and that it appears whole or not at all."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self

from botocore import exceptions as boto

from zcore import Refused, Unreachable
from zops_export.s3_errors import explained

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "zops-export"  # noqa: S105 # the name under which an object says which upload made it
ARCHIVE_TYPE = "application/gzip"
TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
GONE = ("NoSuchUpload",)
NO_CONDITIONS = (400, 501)  # what stores answer that know no conditions when an object is written


class Part(NamedTuple):
    """A part that the store has: its size, its MD5 in hex as we know it, its ETag as it says."""

    size: int
    md5: str
    tag: str


class MultipartUpload:
    """An upload to `key` in `bucket`. Its methods raise what `s3_errors.explained` raises."""

    def __init__(self, client: Any, bucket: str, key: str, upload_id: str, token: str) -> None:
        self.bucket = bucket
        self.key = key
        self.upload_id = upload_id
        self.token = token
        self._client = client
        self._failure = f"cannot write {key!r} in the bucket {bucket!r}"
        self._place = {"Bucket": bucket, "Key": key}

    @classmethod
    def begin(cls, client: Any, bucket: str, key: str) -> Self:
        """A new upload, without parts."""
        upload = cls(client, bucket, key, "", secrets.token_hex(16))
        with explained(client, upload._failure):
            answer = client.create_multipart_upload(
                **upload._place, ContentType=ARCHIVE_TYPE, Metadata={TOKEN: upload.token}
            )
        upload.upload_id = answer["UploadId"]
        return upload

    def send(self, number: int, body: BinaryIO, size: int, md5: bytes) -> Part:
        """Store part `number`, the `size` bytes of `body`, whose MD5 the store is to look at."""
        body.seek(0)
        with explained(self._client, self._failure):
            answer = self._client.upload_part(
                **self._place,
                UploadId=self.upload_id,
                PartNumber=number,
                Body=body,
                ContentLength=size,
                ContentMD5=base64.b64encode(md5).decode("ascii"),
            )
        return Part(size, md5.hex(), answer["ETag"])

    def stored(self) -> dict[int, tuple[int, str]]:
        """Size and ETag of the parts that the store has. Raises `FileNotFoundError` if it ended."""
        found: dict[int, tuple[int, str]] = {}
        try:
            with explained(self._client, self._failure):
                paginator = self._client.get_paginator("list_parts")
                for page in paginator.paginate(**self._place, UploadId=self.upload_id):
                    for part in page.get("Parts", ()):
                        found[part["PartNumber"]] = (part["Size"], part["ETag"])
        except Unreachable as error:
            if _code(error) in GONE:
                raise FileNotFoundError(self.key) from error
            raise
        return found

    def complete(self, parts: Mapping[int, Part]) -> None:
        """Let the object appear. Raises `Refused` when there is one of that key by now."""
        try:
            self._complete(parts, {"IfNoneMatch": "*"})
        except Unreachable as error:
            if self.is_there():  # the answer was lost, and it was asked for again
                return
            if _code(error) in TAKEN:
                raise self._taken() from error
            if _status(error) not in NO_CONDITIONS:
                raise
            if self._find() is not None:
                raise self._taken() from error
            self._complete(parts, {})

    def _complete(self, parts: Mapping[int, Part], conditions: Mapping[str, str]) -> None:
        listed = [
            {"PartNumber": number, "ETag": part.tag} for number, part in sorted(parts.items())
        ]
        with explained(self._client, self._failure):
            self._client.complete_multipart_upload(
                **self._place,
                UploadId=self.upload_id,
                MultipartUpload={"Parts": listed},
                **conditions,
            )

    def is_there(self) -> bool:
        """Is the object there, and made by this upload?"""
        found = self._find()
        return found is not None and found.get("Metadata", {}).get(TOKEN) == self.token

    def _find(self) -> Mapping[str, Any] | None:
        return find_object(self._client, self.bucket, self.key)

    def _taken(self) -> Refused:
        place = f"s3://{self.bucket}/{self.key}"
        return Refused(f"{place} appeared while the export was made", code="exists")

    def abort(self) -> None:
        """Have the store forget the parts."""
        try:
            with explained(self._client, self._failure):
                self._client.abort_multipart_upload(**self._place, UploadId=self.upload_id)
        except Unreachable as error:
            if _code(error) not in GONE:
                raise

    def delete_own(self) -> None:
        """Delete the object, if it is there and this upload made it."""
        if not self.is_there():
            return
        with explained(self._client, self._failure):
            self._client.delete_object(**self._place)


def find_object(client: Any, bucket: str, key: str) -> Mapping[str, Any] | None:
    """What the store says of an object; None when it is not there, or nobody may ask."""
    try:
        with explained(client, f"cannot look for {key!r} in the bucket {bucket!r}"):
            found: Mapping[str, Any] = client.head_object(Bucket=bucket, Key=key)
    except FileNotFoundError:
        return None
    except Unreachable as error:
        if _status(error) == 403:  # a key that may only write
            return None
        raise
    return found


def _response(error: Unreachable) -> Mapping[str, Any]:
    cause = error.__cause__
    return cause.response if isinstance(cause, boto.ClientError) else {}


def _code(error: Unreachable) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _status(error: Unreachable) -> int:
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
