"""Where an export goes: a folder or an archive here, an object, or where a server keeps exports."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from zcore import Refused, UsageError
from zcore.files import LocalStore
from zcore.identifiers import upload_token
from zcore.organizations.hosts import realm_url
from zops_export.archive_draft import ArchiveDraft, local_archive, unfinished_archive
from zops_export.archive_sinks import FileSink, TeeSink
from zops_export.archive_writing import SUFFIX, ArchiveWriter
from zops_export.claimed_folder import left_targets
from zops_export.folder_draft import FolderDraft
from zops_export.manifest import MANIFEST
from zops_export.ordered_work import waiting_for
from zops_export.work_folder import WorkFolder
from zops_export.written_files import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from zcore import Context
    from zcore.organizations.lookup import Realm
    from zops_export.drafts import Draft
    from zops_export.export_record import ExportRecord

SCHEME = "s3://"
UNFINISHED = ".unfinished"


class Destination:
    """A folder, or an archive when `target` ends in `.tar.gz`; other kinds are derived from it.

    `path` says where the export goes; the work folder is made beside `target`. Of an export that
    is uploaded, `url` is the address, and `export_path` what the server's table of exports calls
    it; both are None for others. `earlier`: what exports that were killed wrote to the database,
    once that is known.
    """

    def __init__(
        self,
        target: Path,
        path: str | None = None,
        url: str | None = None,
        export_path: str | None = None,
    ) -> None:
        self.target = target
        self.path = path or str(target)
        self.url = url
        self.export_path = export_path
        self.earlier: list[ExportRecord] = []

    def require_free(self) -> None:
        """Raise `Refused` when something is there. For a folder or file the validators look."""

    def holds(self, size: int) -> bool:
        """Is an export of `size` bytes there, which an earlier run published?"""
        if self.target.is_file():
            return self.target.stat().st_size == size
        return (self.target / MANIFEST).is_file()

    def prepare(self) -> None:
        """Make what the work folder stands in, where that is the export's own matter."""

    def draft(self, work: WorkFolder, may_go_on: Callable[[], None], *, resume: bool) -> Draft:
        """What the export is to be written to. With `resume`, it may be gone on with later."""
        if self.target.name.endswith(SUFFIX):
            return local_archive(work, may_go_on)
        return FolderDraft(work)

    def ended(self, *, published: bool) -> None:
        """The export is there, or it is not and nothing was left to be gone on with."""


class FolderUpload(Destination):
    """An archive in the folder where a server with local files keeps exports.

    With an `output`, there is another copy of it.
    """

    def __init__(self, store: LocalStore, key: str, url: str, output: Path | None) -> None:
        self._store = store
        self._uploaded = store.root / key
        super().__init__(output or self._uploaded, url=url, export_path=f"/user_avatars/{key}")

    def holds(self, size: int) -> bool:
        """See `Destination.holds`: the copy may be there, but the other is under a new name."""
        return False

    def prepare(self) -> None:
        """See `Destination.prepare`."""
        self._remove_leftovers()
        with writing(self._uploaded):
            self._store.make_folder(self._uploaded.parent)

    def _remove_leftovers(self) -> None:
        """What uploads that were killed left: each has a folder of its own, which is empty then."""
        for folder in sorted(self._uploaded.parent.parent.glob("*")):
            for target in left_targets(folder, f"*{SUFFIX}"):
                with contextlib.suppress(Refused, OSError):  # somebody works on it
                    work = WorkFolder(target)
                    self.earlier += [work.earlier] if work.earlier is not None else []
                    work.remove()
                    folder.rmdir()

    def draft(self, work: WorkFolder, may_go_on: Callable[[], None], *, resume: bool) -> Draft:
        """See `Destination.draft`."""
        if self.target == self._uploaded:
            return local_archive(work, may_go_on)
        uploaded = _Copy(self._uploaded.with_name(UNFINISHED), self._uploaded)
        sink = TeeSink(FileSink(unfinished_archive(work), self.target), uploaded, keep=True)
        top = self.target.name.removesuffix(SUFFIX)
        return ArchiveDraft(work, sink, ArchiveWriter(sink, top, may_go_on, work.home))

    def ended(self, *, published: bool) -> None:
        """See `Destination.ended`."""
        if published:
            self._store.give_to_owner(self._uploaded)
        else:
            self._store.remove_empty_folders()


class _Copy(FileSink):
    """A copy that nobody goes on with: the next run makes another one."""

    def leave(self) -> None:
        """See `ArchiveSink.leave`."""
        self.abort()


def uploaded_address(context: Context, realm: Realm, path: str) -> str:
    """The address of an export that was uploaded, by what the server's table calls it."""
    if context.settings.uploads == "s3":
        from zops_export import s3_destination

        return s3_destination.uploaded_address(context.settings, path)
    return f"{realm_url(realm.string_id, context.settings.external_host) or ''}{path}"


def destination(
    context: Context,
    realm: Realm,
    output: Path | str | None,
    name: str,
    *,
    upload: bool,
    resume: bool,
) -> Destination:
    """Where an export of `realm` goes; where nothing else is said, the archive is called `name`.

    `output` is a path, or `s3://bucket/key`. Raises `UsageError` and `Refused`.
    """
    if isinstance(output, str):
        if upload:
            raise UsageError(f"--upload puts the export elsewhere than {output}", hint="choose one")
        return _object(context, output)
    path = None if output is None else Path(os.path.expanduser(output)).absolute()
    if upload:
        return _upload(context, realm, path, name, resume=resume)
    return Destination(path or Path(name).absolute())


def _object(context: Context, output: str) -> Destination:
    from zops_export.s3_destination import S3Destination

    bucket, _, key = output.removeprefix(SCHEME).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise UsageError(
            f"{output} names no object", hint="give bucket and key: s3://backups/acme.tar.gz"
        )
    return S3Destination(context, bucket, key)


def _upload(
    context: Context, realm: Realm, path: Path | None, name: str, *, resume: bool
) -> Destination:
    if path is not None and not path.name.endswith(SUFFIX):
        raise UsageError(f"what is uploaded is an archive: let --output end in {SUFFIX}")
    name = name if path is None else path.name
    store = waiting_for(lambda: context.files.avatars, context.stop.check)
    if isinstance(store, LocalStore):
        key = f"exports/{realm.realm_id}/{upload_token()}/{name}"
        host = realm_url(realm.string_id, context.settings.external_host) or ""
        return FolderUpload(store, key, f"{host}/user_avatars/{key}", path)
    if context.settings.uploads == "s3":
        from zops_export.s3_destination import upload_destination

        return upload_destination(context, realm, path, name, resume=resume)
    raise Refused(
        f"exports cannot be uploaded to {context.settings.uploads}",
        hint="leave --upload out, and put the archive there by other means",
        code="no-uploads",
    )
