"""The uploaded files of one organization, in both stores of a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Finding, Refused, ZopsError
from zcore.files import StorePair, open_place
from zcore.schema.realms import zerver_realmexport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore import Context
    from zcore.files import FileStore, StoredFile

EXPORTS_IN_BUCKET = "/exports/"


@dataclass(frozen=True, slots=True)
class RealmFiles:
    """Where the files are: a store, and the folder or file in it."""

    places: tuple[tuple[FileStore, str], ...]

    def count(self) -> tuple[int, int]:
        """How many files there are, and their bytes."""
        sizes = [file.size for store, prefix in self.places for file in _files(store, prefix)]
        return len(sizes), sum(sizes)

    def delete(self) -> Iterator[Finding]:
        """Delete them all; what cannot be deleted is told, and the rest is deleted."""
        for store, prefix in self.places:
            try:
                store.delete(prefix)
            except ZopsError as error:
                message = f"uploaded files are left: {error.message}"
                yield Finding("files-left", message, prefix, "delete them by hand")


def find_files(context: Context, connection: sa.Connection, realm_id: int) -> RealmFiles:
    """The places of the organization's files. Nothing is looked for yet.

    Raises `Refused` where it was not said where a server keeps its files, and what opening the
    place raises.
    """
    stores = _stores(context)
    in_avatars = [str(realm_id), f"exports/{realm_id}", *_exports(connection, realm_id)]
    return RealmFiles(
        (
            (stores.uploads, str(realm_id)),
            (stores.uploads, f"thumbnail/{realm_id}"),
            *((stores.avatars, prefix) for prefix in in_avatars),
        )
    )


def _stores(context: Context) -> StorePair:
    """As `zcore.files.FileStores.open`, for whom the avatars' salt does not matter."""
    settings = context.settings
    if settings.is_default("uploads"):
        settings.require_no_server("the folder of uploaded files")
        if context.database.is_server:
            raise Refused(
                "this is a Zulip server's database, and zops was not told where its uploaded files"
                " are (ZOPS_UPLOADS)",
                code="files-unknown",
                hint="set it, or point ZOPS_ZULIP_CONF at the server's /etc/zulip; --keep-files"
                " deletes none",
            )
    return open_place(settings, context.plugins)


def _exports(connection: sa.Connection, realm_id: int) -> list[str]:
    """Exports that the server made and keeps elsewhere than below the organization's number."""
    exports = zerver_realmexport.c
    chosen = sa.select(exports.export_path).where(
        exports.realm_id == realm_id, exports.export_path.startswith(EXPORTS_IN_BUCKET)
    )
    return [path.removeprefix("/") for path in connection.scalars(chosen)]


def _files(store: FileStore, prefix: str) -> Iterator[StoredFile]:
    single = store.find(prefix)
    if single is not None:
        yield single
    yield from store.list(prefix)
