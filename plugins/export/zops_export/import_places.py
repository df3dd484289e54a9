"""Where the files of an import go, and what an earlier run of the same import has put there."""

from __future__ import annotations

import hashlib
import io
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from zcore.files import (
    COPY_BYTES,
    FileStores,
    LocalStore,
    Unreadable,
    drop_unfinished,
    fetch,
    scheme_of,
)
from zcore.identifiers import UPLOAD_TOKEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.files import FileStore, Metadata, StoredFile
    from zcore.settings import Settings


def place_of_files(settings: Settings) -> str:
    """Where `settings` say that uploaded files are, in one line."""
    if scheme_of(settings.uploads) is None:
        return str(Path(settings.uploads).expanduser().absolute())
    buckets = (settings.s3_auth_uploads_bucket, settings.s3_avatar_bucket)
    return " ".join(filter(None, (settings.uploads, settings.s3_endpoint_url, *buckets)))


def is_free(files: FileStores, realm_id: int) -> bool:
    """Is there no file of an organization with that number?

    There is one where the files are also another database's: they must not be mixed with ours, nor
    deleted when an import fails.
    """
    name = str(realm_id)
    return not any(store.find(name) or next(store.list(name), None) for store in stores_of(files))


def stores_of(files: FileStores) -> tuple[FileStore, FileStore]:
    """Both stores."""
    return files.uploads, files.avatars


def count_files(files: FileStores, realm_id: int) -> int:
    """How many files there are below the number of an organization."""
    return sum(1 for store in stores_of(files) for _ in store.list(str(realm_id)))


def delete_files(files: FileStores, realm_id: int) -> None:
    """Delete what is below the number of an organization, in both stores."""
    for store in stores_of(files):
        store.delete(str(realm_id))


def settle_files(files: FileStores, realm_id: int) -> None:
    """See that a power failure loses no file of an organization. An object store sees to it."""
    for store in stores_of(files):
        if isinstance(store, LocalStore):
            store.settle(str(realm_id))


def upload_token_of(seed: str, path: str) -> str:
    """The unguessable folder of an upload that had `path` in the export.

    A second run of the import, which has the same secret `seed`, finds it there again.
    """
    digest = hashlib.blake2b(
        path.encode("utf-8", "surrogatepass"), key=seed.encode(), digest_size=UPLOAD_TOKEN_BYTES
    )
    return urlsafe_b64encode(digest.digest()).decode("ascii")


class ResumedStore:
    """A store in which an earlier run of the same import has put files below `prefix`.

    Putting a file that is there with just this content leaves it as it is. What is there and does
    not come again goes with `drop_rest`.
    """

    def __init__(self, store: FileStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._left = {file.key for file in store.list(prefix)}

    def open(self, key: str) -> BinaryIO:
        """See `FileStore.open`."""
        return self._store.open(key)

    def find(self, key: str) -> StoredFile | None:
        """See `FileStore.find`."""
        return self._store.find(key)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """See `FileStore.list`."""
        return self._store.list(prefix)

    def delete(self, prefix: str) -> None:
        """See `FileStore.delete`."""
        self._store.delete(prefix)

    def put(self, key: str, content: BinaryIO, *, metadata: Metadata | None = None) -> int:
        """See `FileStore.put`."""
        if key not in self._left:
            return self._store.put(key, content, metadata=metadata)
        size = _put_unless_there(self._store, key, content, metadata)
        self._left.discard(key)
        return size

    def drop_rest(self) -> None:
        """Delete what the earlier run left and this one did not put, parts of files too."""
        drop_unfinished(self._store, self._prefix)
        for key in sorted(self._left):
            self._store.delete(key)


@contextmanager
def resumed(files: FileStores, realm_id: int) -> Iterator[FileStores]:
    """The stores for a second run, whose files are all put inside."""
    uploads, avatars = (ResumedStore(store, str(realm_id)) for store in stores_of(files))
    yield FileStores(uploads, avatars, files.avatar_salt)
    for store in (uploads, avatars):
        store.drop_rest()


def _put_unless_there(
    store: FileStore, key: str, content: BinaryIO, metadata: Metadata | None
) -> int:
    try:
        stored, there = fetch(store, key)
    except (FileNotFoundError, Unreadable):
        return store.put(key, content, metadata=metadata)
    if not _is_kept_with(stored, metadata):
        there.close()
        return store.put(key, content, metadata=metadata)
    with there:
        same, differing = _equal_beginning(there, content)
    if differing is None:
        return same
    with store.open(key) as again:
        spliced = io.BufferedReader(_Spliced(again, same, differing, content))
        return store.put(key, spliced, metadata=metadata)


def _is_kept_with(stored: StoredFile, metadata: Metadata | None) -> bool:
    """Does the store have `metadata` beside the file, if it has a place for it?"""
    if metadata is None or stored.content_type is None:
        return True
    types = (metadata.content_type, stored.content_type)
    return dict(stored.entries) == dict(metadata.entries) and (not types[0] or types[0] == types[1])


def _equal_beginning(there: BinaryIO, content: BinaryIO) -> tuple[int, bytes | None]:
    """How many bytes are the same, and the block of `content` that is not, None when all is."""
    same = 0
    while True:
        block = content.read(COPY_BYTES)
        if _read_exactly(there, len(block) or 1) != block:
            return same, block
        if not block:
            return same, None
        same += len(block)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    """So many bytes, fewer only at the end."""
    data = bytearray()
    while len(data) < size and (block := stream.read(size - len(data))):
        data += block
    return bytes(data)


PARTS = 3  # of a spliced content: what is the same, what is not, and what follows


class _Spliced(io.RawIOBase):
    """A content of which the beginning was read already: it is the same in another stream."""

    def __init__(self, beginning: BinaryIO, size: int, block: bytes, rest: BinaryIO) -> None:
        self._parts: list[BinaryIO] = [beginning, io.BytesIO(block), rest]
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # what the base class says of it
        while self._parts:
            size = len(view) if len(self._parts) < PARTS else min(len(view), self._left)
            data = self._parts[0].read(size) if size else b""
            if data:
                self._left -= len(data)
                view[: len(data)] = data
                return len(data)
            del self._parts[0]
        return 0
