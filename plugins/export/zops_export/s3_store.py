"""Uploaded files in S3, or in a store that speaks its protocol: a bucket each for the two kinds.

Keys are those of a Zulip server: of an upload its `path_id`, of the others the path below
`avatars/` in a local folder.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from boto3.s3.transfer import TransferConfig

from zcore import Failed, Refused, Unreachable
from zcore.files import COPY_BYTES, Fetched, Metadata, StoredFile, StorePair, plain_key
from zops_export.s3_client import connect
from zops_export.s3_content import ObjectContent
from zops_export.s3_errors import explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zcore.settings import Settings

PAGE = 1000  # keys in one answer, and deleted with one request: the protocol's most
READ_BYTES = 128 << 10
PART_BYTES = 8 << 20  # a larger file is sent in parts, of which one at a time is in memory

# Without threads, and not by the AWS Common Runtime: both keep many parts in memory.
TRANSFER = TransferConfig(
    multipart_threshold=PART_BYTES,
    multipart_chunksize=PART_BYTES,
    use_threads=False,
    preferred_transfer_client="classic",
)


def open_stores(place: str, settings: Settings) -> StorePair:
    """The stores of `uploads = "s3"` with the settings `[files.s3]`.

    Raises `Refused` when the settings do not say enough, `Unreachable` when a bucket is not there,
    may not be listed, or nothing answers.
    """
    if place != "s3":
        raise Refused(
            f"the setting 'uploads' is {place!r}; for S3 it is 's3'",
            hint="the buckets are named in [files.s3] of zops.toml",
            code="bad-setting",
        )
    uploads = _bucket("auth_uploads_bucket", settings.s3_auth_uploads_bucket)
    avatars = _bucket("avatar_bucket", settings.s3_avatar_bucket)
    client = connect(settings)
    stores = [S3Store(client, bucket) for bucket in (uploads, avatars)]
    for store in stores:
        store.require_usable()
    return StorePair(*stores)


def _bucket(name: str, given: str | None) -> str:
    if given is None:
        raise Refused(
            f"the files are in S3, and the setting files.s3.{name} is not given",
            hint="name it in [files.s3] of zops.toml, or point ZOPS_ZULIP_CONF at the server's"
            " /etc/zulip",
            code="files-unknown",
        )
    return given


class S3Store:
    """A bucket as a file store. Several threads may use it; they share `client`'s connections."""

    def __init__(self, client: Any, bucket: str) -> None:  # boto3 makes its classes as it runs
        self.bucket = bucket
        self._client = client

    def require_usable(self) -> None:
        """Raise `Unreachable` unless the bucket is there and may be listed."""
        with explained(self._client, f"cannot use the bucket {self.bucket!r}"):
            self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)

    def open(self, key: str) -> BinaryIO:
        """See `FileStore.open`."""
        return self.fetch(key).content

    def fetch(self, key: str) -> Fetched:
        """See `FileStore`."""
        key = plain_key(key)
        failure = self._failure("read", key)
        place = {"Bucket": self.bucket, "Key": key}
        with explained(self._client, failure):
            answer = self._client.get_object(**place)
        content = ObjectContent(self._client, place, answer, failure)
        return Fetched(self._stored(key, answer), io.BufferedReader(content, READ_BYTES))

    def put(self, key: str, content: BinaryIO, *, metadata: Metadata | None = None) -> int:
        """See `FileStore.put`."""
        key = plain_key(key)
        counted = _Counted(content)
        with explained(self._client, self._failure("write", key)):
            self._client.upload_fileobj(
                counted, self.bucket, key, ExtraArgs=_headers(metadata), Config=TRANSFER
            )
        return counted.size

    def find(self, key: str) -> StoredFile | None:
        """See `FileStore.find`."""
        key = plain_key(key)
        try:
            with explained(self._client, self._failure("read", key)):
                found = self._client.head_object(Bucket=self.bucket, Key=key)
        except FileNotFoundError:
            return None
        return self._stored(key, found)

    def _stored(self, key: str, answer: Mapping[str, Any]) -> StoredFile:
        return StoredFile(
            key,
            answer["ContentLength"],
            answer["LastModified"].timestamp(),
            answer.get("ContentType"),
            self.bucket,
            answer.get("ETag", ""),
            answer.get("Metadata", {}),
        )

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """See `FileStore.list`."""
        key = plain_key(prefix)
        with explained(self._client, self._failure("list", key)):
            for page in self._pages(key):
                for found in page:
                    if not found["Key"].endswith("/"):  # what consoles make of a folder
                        modified = found["LastModified"].timestamp()
                        yield StoredFile(found["Key"], found["Size"], modified, bucket=self.bucket)

    def delete(self, prefix: str) -> None:
        """See `FileStore.delete`. What cannot be deleted does not keep the rest."""
        key = plain_key(prefix)
        kept: list[dict[str, str]] = []
        self.drop_unfinished(key)
        with explained(self._client, self._failure("delete", key)):
            for page in self._pages(key):
                kept += self._delete([found["Key"] for found in page])
            self._client.delete_object(Bucket=self.bucket, Key=key)
        if kept:
            first = kept[0]
            failure = self._failure("delete", first.get("Key"))
            more = f" (and {len(kept) - 1:,} more)" if len(kept) > 1 else ""
            raise Unreachable(f"{failure}{more}: {first.get('Code')}: {first.get('Message')}")

    def drop_unfinished(self, prefix: str) -> None:
        """See `zcore.files.drop_unfinished`. Parts that the store does not show to us stay."""
        key = plain_key(prefix)
        sought = {"Bucket": self.bucket, "Prefix": f"{key}/"}
        ignored = suppress(Failed, FileNotFoundError, Unreachable)  # not all stores have this
        with ignored, explained(self._client, self._failure("delete", key)):
            paginator = self._client.get_paginator("list_multipart_uploads")
            for page in paginator.paginate(**sought):
                for found in page.get("Uploads", ()):
                    self._client.abort_multipart_upload(
                        Bucket=self.bucket, Key=found["Key"], UploadId=found["UploadId"]
                    )

    def _delete(self, keys: Sequence[str]) -> Sequence[dict[str, str]]:
        """Delete up to `PAGE` objects; what the store says of those that it kept."""
        if not keys:
            return ()
        orders = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer = self._client.delete_objects(Bucket=self.bucket, Delete=orders)
        kept: Sequence[dict[str, str]] = answer.get("Errors", ())
        return kept

    def _pages(self, folder: str) -> Iterator[Sequence[dict[str, Any]]]:
        """The descriptions of the objects in a folder, in order of keys, a request's at a time."""
        paginator = self._client.get_paginator("list_objects_v2")
        sizes = {"PageSize": PAGE}
        prefix = f"{folder}/"
        for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix, PaginationConfig=sizes):
            yield page.get("Contents", ())

    def _failure(self, doing: str, key: object) -> str:
        return f"cannot {doing} {key!r} in the bucket {self.bucket!r}"


class _Counted:
    """A stream that counts what is read from it. It can only be read, and is read once."""

    def __init__(self, content: BinaryIO) -> None:
        self.size = 0
        self._content = content

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end: a part may not be short because a read was."""
        data = bytearray()
        while size < 0 or len(data) < size:
            block = self._content.read(
                COPY_BYTES if size < 0 else min(COPY_BYTES, size - len(data))
            )
            if not block:
                break
            data += block
        self.size += len(data)
        return bytes(data)


def _headers(metadata: Metadata | None) -> dict[str, object]:
    if metadata is None:
        return {}
    headers = {
        "ContentType": metadata.content_type,
        "CacheControl": metadata.cache_control,
        "Metadata": dict(metadata.entries),
    }
    return {name: value for name, value in headers.items() if value}
