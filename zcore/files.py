"""Where uploaded files live: a store of keys and contents.

The local store is a folder laid out as Zulip's LOCAL_UPLOADS_DIR: uploads below `files/`,
avatars, custom emoji, icons and logos below `avatars/`. Keys are relative paths with forward
slashes; whatever a key says, nothing outside of the store's folder is read or written. Other
places are opened by plugins (`zops_file_stores`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from zcore.avatar_salt import own_avatar_salt
from zcore.errors import Failed, Refused
from zcore.frozen import frozen
from zcore.identifiers import upload_token
from zcore.private_folders import make_private_folder
from zcore.targets import resolve
from zcore.values import FileStoreKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zcore.database import Database
    from zcore.plugins import Plugins
    from zcore.settings import Settings

COPY_BYTES = 1 << 20
MANY = 500  # files: for more, one order to the disk for everything is quicker than one for each
NOT_OF_THE_FILE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # errors that any file would meet
PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial")


class Unreadable(Failed):
    """One file of a store cannot be read; others may well be."""

    code = "unreadable-file"


class OutsideStore(Refused):
    """A key names nothing inside the store."""


@frozen
class StoredFile:
    """A file in a store: its key, size in bytes, last change in seconds since 1970 (UTC).

    `content_type` is None where the store does not know it, and in lists. An object of an object
    store has more: its `bucket`, its `tag` (the ETag, with its quotes), and what the server keeps
    beside it (`entries`, see `Metadata`).
    """

    key: str
    size: int
    modified: float
    content_type: str | None = None
    bucket: str = ""
    tag: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)


@frozen
class Metadata:
    """What a store that can is to keep beside a file's content; "" is not kept.

    `content_type` and `cache_control` go with the file to those who fetch it; `entries` are for
    the server, by name in lower case. All of it is ASCII.
    """

    content_type: str = ""
    cache_control: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)


class Fetched(NamedTuple):
    """A file of a store: what is known of it, and its content."""

    stored: StoredFile
    content: BinaryIO


class FileStore(Protocol):
    """What every store does. Keys that lead outside of it are `Refused`.

    What else goes wrong is an error of `zcore.errors` that names the store and the reason:
    `Unreadable` where it is about one file alone. A store may be used by several threads. One that
    gets a file and what is known of it with one request can have a method `fetch(key) -> Fetched`;
    one in which a process that was killed leaves parts of files, `drop_unfinished(prefix)`.
    """

    def open(self, key: str) -> BinaryIO:
        """The file's content. Raises `FileNotFoundError`."""
        ...

    def put(self, key: str, content: BinaryIO, *, metadata: Metadata | None = None) -> int:
        """Store `content` under `key`, whole or not at all; return its size in bytes.

        `content` is read once, from where it stands. A store that has no place for `metadata`
        passes over it.
        """
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


def fetch(store: FileStore, key: str) -> Fetched:
    """The file `key` of a store. Raises `FileNotFoundError`, and what the store raises."""
    own: Callable[[str], Fetched] | None = getattr(store, "fetch", None)
    if own is not None:
        return own(key)
    stored = store.find(key)
    if stored is None:
        raise FileNotFoundError(key)
    return Fetched(stored, store.open(key))


def drop_unfinished(store: FileStore, prefix: str) -> None:
    """Delete what a killed process left of files below the folder `prefix`: nobody may write there.

    Raises what the store raises.
    """
    own: Callable[[str], None] | None = getattr(store, "drop_unfinished", None)
    if own is not None:
        own(prefix)


class LocalStore:
    """A folder as a file store. Files are made 0600, folders 0700.

    `made` lists the folders that had to be made, for stores that share a folder above them.
    """

    def __init__(self, root: Path, made: set[Path] | None = None) -> None:
        self.root = root
        self._made = set() if made is None else made

    def open(self, key: str) -> BinaryIO:
        """See `FileStore.open`."""
        path = self._path(key)
        with _explained("read", path):
            return path.open("rb")

    def put(self, key: str, content: BinaryIO, *, metadata: Metadata | None = None) -> int:
        """See `FileStore.put`. A folder has no place for `metadata`."""
        path = self._path(key)
        try:
            self.make_folder(path.parent)
            return self._write(path, content)
        except BaseException as error:
            self.remove_empty_folders()
            if isinstance(error, OSError):
                raise Failed(f"cannot write {path}: {error.strerror or error}") from error
            raise

    def _write(self, path: Path, content: BinaryIO) -> int:
        aside = _partial(path)
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as target:
                shutil.copyfileobj(content, target, COPY_BYTES)
                size = target.tell()
            self.give_to_owner(aside)
            aside.rename(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return size

    def find(self, key: str) -> StoredFile | None:
        """See `FileStore.find`."""
        path = self._path(key)
        with _explained("read", path):
            return _stored(key, path)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """See `FileStore.list`."""
        top = self._path(prefix)
        with _explained("read", top):
            paths = top.rglob("*") if top.is_dir() else iter(())
            found = {path.relative_to(self.root).as_posix(): path for path in paths}
        for key, path in sorted(found.items()):
            if not path.is_symlink() and not PARTIAL.fullmatch(path.name):
                with _explained("read", path):
                    stored = _stored(key, path)
                if stored is not None:
                    yield stored

    def delete(self, prefix: str) -> None:
        """See `FileStore.delete`."""
        path = self._path(prefix)
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # a file stands where its folder would be: so it is not there
        except OSError as error:
            raise Failed(f"cannot delete {path}: {error.strerror}") from error
        self.remove_empty_folders()

    def drop_unfinished(self, prefix: str) -> None:
        """See `zcore.files.drop_unfinished`."""
        for path in list(self._path(prefix).rglob("*")):
            if PARTIAL.fullmatch(path.name):
                with _explained("delete", path):
                    path.unlink(missing_ok=True)

    def settle(self, prefix: str) -> None:
        """Have the disk take every file below the folder `prefix`, and their names."""
        paths = [self.root / stored.key for stored in self.list(prefix)]
        if len(paths) > MANY:
            os.sync()
            return
        top = self.root.parent
        folders = {folder for path in paths for folder in path.parents if top in folder.parents}
        for path in (*paths, *sorted(folders), *([top] if paths else [])):
            with _explained("write", path):
                _sync(path)

    def remove_empty_folders(self) -> None:
        """Remove folders that this store had to make and that nothing is in any more."""
        for folder in sorted(self._made, reverse=True):  # what is inside of a folder comes first
            with contextlib.suppress(OSError):
                folder.rmdir()
                self._made.remove(folder)

    def _path(self, key: str) -> Path:
        """The file of a key, inside the root even through symbolic links."""
        key = plain_key(key)
        path = self.root / key
        if self._leads_through_a_link(key) and not self._is_inside(path):
            raise OutsideStore(f"{key!r} leads outside of {self.root} through a symbolic link")
        return path

    def _leads_through_a_link(self, key: str) -> bool:
        """Most do not, and this is quickly found out."""
        place = os.fspath(self.root)
        for part in key.split("/"):
            place = f"{place}/{part}"
            if os.path.islink(place):
                return True
        return False

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def make_folder(self, folder: Path) -> None:
        """Make a folder inside, and what is missing above it."""
        for new in make_private_folder(folder):
            self._made.add(new)
            self.give_to_owner(new)

    def give_to_owner(self, path: Path) -> None:
        """Run by root beside a server, files must belong to the server's user, as their folder."""
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


def plain_key(key: str) -> str:
    """`key` without empty parts and dots. Raises `OutsideStore` when it names nothing inside."""
    parts = PurePosixPath(key).parts
    if not parts or "\0" in key or key.startswith("/") or ".." in parts:
        raise OutsideStore(f"{key!r} does not name a file inside the file store")
    return "/".join(parts)


def _stored(key: str, path: Path) -> StoredFile | None:
    """The file of the key `key`; None when there is none, or none any more."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return StoredFile(key, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _partial(path: Path) -> Path:
    """Another name beside `path`, for what is not complete yet."""
    return path.with_name(f".{secrets.token_hex(8)}.partial")


@contextlib.contextmanager
def _explained(doing: str, path: Path) -> Iterator[None]:
    """What the system says becomes `Unreadable`, or `Failed` where it is not about this file.

    That a file is not there stays as it is.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        kind = Failed if error.errno in NOT_OF_THE_FILE else Unreadable
        raise kind(f"cannot {doing} {path}: {error.strerror or error}") from error


class StorePair(NamedTuple):
    """The two stores of a server's files: uploads; avatars, custom emoji, icons and logos."""

    uploads: FileStore
    avatars: FileStore


@frozen
class FileStores:
    """The two places of a server's files, and the salt in the names of its avatars."""

    uploads: FileStore
    avatars: FileStore
    avatar_salt: str

    @classmethod
    def open(cls, settings: Settings, database: Database, plugins: Plugins) -> FileStores:
        """What `open_stores` gives; and the salt, which is made where there is none yet."""
        stores = open_stores(settings, database, plugins)
        salt = settings.avatar_salt or own_avatar_salt(settings.home)
        return cls(stores.uploads, stores.avatars, salt)

    def avatar_key(self, realm_id: int, user_id: int, version: int) -> str:
        """Where Zulip keeps an avatar, without its suffix (`.original`, `.png`, `-medium.png`)."""
        seed = f"{user_id}:{version}:{self.avatar_salt}".encode()
        return f"{realm_id}/{hashlib.sha256(seed).hexdigest()[:40]}"

    def new_upload_key(self, realm_id: int, name: str, token: str | None = None) -> str:
        """A new key, which nobody can guess, for an uploaded file called `name`.

        `token` is the part that cannot be guessed, where it is known already.
        In a folder uploads are spread over 256 shelves. In an object store they are not: a server
        that finds such keys there cannot export them.
        """
        token = token or upload_token()
        shelf = f"{sum(token.encode()) % 256:x}/" if isinstance(self.uploads, LocalStore) else ""
        return f"{realm_id}/{shelf}{token}/{name}"


def open_stores(settings: Settings, database: Database, plugins: Plugins) -> StorePair:
    """The stores that `settings` name: a folder, or a place that a plugin of `plugins` opens.

    Raises `Refused` on a server's database when the place of its files or the salt was not
    said: a guess would lose files, or find none.
    """
    if database.is_server:
        require_told(settings)
    if settings.is_default("uploads"):
        settings.require_no_server("the folder of uploaded files")
    return open_place(settings, plugins)


def open_place(settings: Settings, plugins: Plugins) -> StorePair:
    """The stores at the place that the setting `uploads` names.

    Raises `Refused` when no plugin of `plugins` opens such a place, and what opening it raises.
    """
    scheme = scheme_of(settings.uploads)
    if scheme is None:
        root, made = Path(settings.uploads), set[Path]()
        return StorePair(LocalStore(root / "files", made), LocalStore(root / "avatars", made))
    kinds = store_kinds(plugins)
    if scheme not in kinds:
        raise Refused(
            f"no plugin opens files in {scheme!r}",
            hint=f"the setting 'uploads' is a folder, or one of: {', '.join(kinds) or 'none'}",
            code="unknown-store",
        )
    kind = kinds[scheme]
    with plugins.running(kind, f"file store {scheme}") as outcome:
        opened = resolve(kind.target, owner=plugins.provider(kind))(settings.uploads, settings)  # type: ignore[operator] # its kind says so
        outcome.append(opened)
    if not isinstance(opened, StorePair):
        raise Failed(
            f"{plugins.provider(kind)}: {kind.target!r} gave a {type(opened).__name__},"
            " not a zcore.files.StorePair",
            code="broken-target",
        )
    return opened


def scheme_of(place: str) -> str | None:
    """The scheme of the place of uploaded files; None for a folder."""
    if "://" in place:
        return place.partition("://")[0].lower()
    return place if place == "s3" else None


def store_kinds(plugins: Plugins) -> dict[str, FileStoreKind]:
    """The kinds of places by scheme; of two for one scheme the first counts, and a warning says."""
    kinds: dict[str, FileStoreKind] = {}
    for _, kind in plugins.values("zops_file_stores", FileStoreKind):
        first = kinds.setdefault(kind.scheme, kind)
        if first is not kind:
            both = f"{plugins.provider(first)} and {plugins.provider(kind)}"
            plugins.warn_once(f"{both} both open files in {kind.scheme!r}: the first counts")
    return dict(sorted(kinds.items()))


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
