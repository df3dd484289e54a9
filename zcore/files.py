"""Where uploaded files live: a store of keys and contents.

The local store is a folder laid out as Zulip's LOCAL_UPLOADS_DIR: uploads below `files/`,
avatars, custom emoji, icons and logos below `avatars/`. Keys are relative paths with forward
slashes; whatever a key says, nothing outside of the store's folder is read or written.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Protocol

from zcore.errors import Failed, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.database import Database
    from zcore.settings import Settings

AVATAR_SALT_FILE = "avatar_salt"
COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a store: its key, size in bytes, last change in seconds since 1970 (UTC)."""

    key: str
    size: int
    modified: float


class FileStore(Protocol):
    """What every store does. Keys that lead outside of it are `Refused`."""

    def open(self, key: str) -> BinaryIO:
        """The file's content. Raises `FileNotFoundError`."""
        ...

    def put(self, key: str, content: BinaryIO) -> int:
        """Store `content` under `key`, whole or not at all; return its size in bytes."""
        ...

    def find(self, key: str) -> StoredFile | None:
        """What is known of one file; None when it is not there."""
        ...

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Every file whose key begins with the folder `prefix`, in order of keys."""
        ...

    def delete(self, prefix: str) -> None:
        """Delete the file, or the folder and everything in it. What is not there is no error."""
        ...


class LocalStore:
    """A folder as a file store. Files are made 0600, folders 0700."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, key: str) -> BinaryIO:
        """See `FileStore.open`."""
        return self._path(key).open("rb")

    def put(self, key: str, content: BinaryIO) -> int:
        """See `FileStore.put`."""
        path = self._path(key)
        try:
            self._make_folder(path.parent)
            return self._write(path, content)
        except OSError as error:
            raise Failed(f"cannot write {path}: {error.strerror}") from error

    def _write(self, path: Path, content: BinaryIO) -> int:
        aside = path.with_name(f".{secrets.token_hex(8)}.partial")
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as target:
                shutil.copyfileobj(content, target, COPY_BYTES)
                size = target.tell()
            self._give_to_owner(aside)
            aside.rename(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return size

    def find(self, key: str) -> StoredFile | None:
        """See `FileStore.find`."""
        path = self._path(key)
        if not path.is_file():
            return None
        found = path.stat()
        return StoredFile(key, found.st_size, found.st_mtime)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """See `FileStore.list`."""
        top = self._path(prefix)
        for path in sorted(top.rglob("*")) if top.is_dir() else []:
            if path.is_file() and not path.is_symlink():
                found = path.stat()
                key = path.relative_to(self.root).as_posix()
                yield StoredFile(key, found.st_size, found.st_mtime)

    def delete(self, prefix: str) -> None:
        """See `FileStore.delete`."""
        path = self._path(prefix)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        """The file of a key, inside the root even through symbolic links."""
        parts = PurePosixPath(key).parts
        if not parts or "\0" in key or key.startswith("/") or ".." in parts:
            raise Refused(f"{key!r} does not name a file inside the file store")
        path = self.root.joinpath(*parts)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise Refused(f"{key!r} leads outside of {self.root} through a symbolic link")
        return path

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.root:
            self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True, parents=folder == self.root)
        self._give_to_owner(folder)

    def _give_to_owner(self, path: Path) -> None:
        """Run by root beside a server, files must belong to the server's user, as the root does."""
        if os.geteuid() == 0 and self.root.is_dir():
            owner = self.root.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


@dataclass(frozen=True, slots=True)
class FileStores:
    """The two places of a server's files, and the salt in the names of its avatars."""

    uploads: FileStore
    avatars: FileStore
    avatar_salt: str

    @classmethod
    def open(cls, settings: Settings, database: Database) -> FileStores:
        """The stores that `settings` name.

        Raises `Refused` on a server's database when the place of its files or the salt was not
        said: a guess would lose files, or find none.
        """
        if database.is_server:
            require_told(settings)
        if settings.uploads == "s3":
            raise Refused(
                "files in S3 need a plugin that opens them, and none is there",
                hint="set ZOPS_UPLOADS to a folder laid out as Zulip's LOCAL_UPLOADS_DIR",
            )
        root = Path(settings.uploads)
        return cls(
            uploads=LocalStore(root / "files"),
            avatars=LocalStore(root / "avatars"),
            avatar_salt=settings.avatar_salt or own_avatar_salt(settings.home),
        )

    def avatar_key(self, realm_id: int, user_id: int, version: int) -> str:
        """Where Zulip keeps an avatar, without its suffix (`.original`, `.png`, `-medium.png`)."""
        seed = f"{user_id}:{version}:{self.avatar_salt}".encode()
        return f"{realm_id}/{hashlib.sha256(seed).hexdigest()[:40]}"


def require_told(settings: Settings) -> None:
    """Refuse to guess where a server keeps its files."""
    missing = []
    if settings.is_default("uploads"):
        missing.append("where its uploaded files are (ZOPS_UPLOADS)")
    if settings.avatar_salt is None:
        missing.append("its avatar salt (ZOPS_AVATAR_SALT)")
    if missing:
        raise Refused(
            f"this is a Zulip server's database, and zops was not told {' nor '.join(missing)}",
            code="files-unknown",
            hint="set them, or point ZOPS_ZULIP_CONF at the server's /etc/zulip",
        )


def own_avatar_salt(home: Path) -> str:
    """The salt of the data folder, made at first use. Raises `Failed` when it cannot be kept."""
    path = home / AVATAR_SALT_FILE
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    except OSError as error:
        raise Failed(f"cannot keep the avatar salt in {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        salt = secrets.token_hex(16)
        file.write(salt)
    return salt
