"""Exports that go to an object store: to any object, or to where a server keeps exports."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zcore import Refused, ZopsError
from zcore.private_folders import make_private_folder
from zops_export.archive_draft import ArchiveDraft, unfinished_archive
from zops_export.archive_sinks import FileSink, TeeSink
from zops_export.archive_writing import SUFFIX, ArchiveWriter
from zops_export.destinations import SCHEME, Destination
from zops_export.files_first import FilesFirstDraft
from zops_export.ordered_work import waiting_for
from zops_export.s3_client import connect
from zops_export.s3_errors import explained
from zops_export.s3_multipart import find_object
from zops_export.s3_sink import S3Sink
from zops_export.upload_journal import UploadJournal
from zops_export.written_files import writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zcore import Context
    from zcore.organizations.lookup import Realm
    from zcore.settings import Settings
    from zops_export.drafts import Draft
    from zops_export.work_folder import WorkFolder

WORK_FOLDERS = "exports"  # in the data folder
VALID_SECONDS = 7 * 24 * 60 * 60  # of the address of an object that not all may read: a week


class S3Destination(Destination):
    """An archive that becomes an object. With an `output`, there is another copy of it.

    What has to wait does so in the data folder, or beside the copy.
    """

    def __init__(
        self,
        context: Context,
        bucket: str,
        key: str,
        *,
        client: Any = None,
        output: Path | None = None,
        work_name: str = "",
    ) -> None:
        self._context = context
        self._client = client or connect(context.settings)
        self._bucket = bucket
        self._key = key
        self._output = output
        place = f"{SCHEME}{bucket}/{key}"
        work_name = work_name or hashlib.sha256(place.encode()).hexdigest()[:16]
        target = output or context.settings.home / WORK_FOLDERS / work_name
        super().__init__(target, place if output is None else str(output))

    def holds(self, size: int) -> bool:
        """See `Destination.holds`: the object has to be the one that the earlier run sent."""
        upload = _journal(self.target).upload(self._client)
        if upload is None or (upload.bucket, upload.key) != (self._bucket, self._key):
            return False
        if not waiting_for(upload.is_there, self._context.stop.check):
            return False
        return self._output is None or super().holds(size)

    def ended(self, *, published: bool) -> None:
        """See `Destination.ended`."""
        if published:
            _journal(self.target).forget()

    def require_free(self) -> None:
        """See `Destination.require_free`."""
        found = waiting_for(
            lambda: find_object(self._client, self._bucket, self._key), self._context.stop.check
        )
        if found is not None:
            place = f"{SCHEME}{self._bucket}/{self._key}"
            raise Refused(
                f"{place} is already there",
                hint="choose another place with --output",
                code="exists",
            )

    def prepare(self) -> None:
        """See `Destination.prepare`."""
        if self._output is None:
            with writing(self.target.parent):
                make_private_folder(self.target.parent)

    def draft(self, work: WorkFolder, may_go_on: Callable[[], None], *, resume: bool) -> Draft:
        """See `Destination.draft`: what can be gone on with has a copy here meanwhile."""
        sent = self._sink(work, may_go_on, resume=resume)
        top = self._key.rpartition("/")[2].removesuffix(SUFFIX)
        keep = self._output is not None
        if not resume and not keep:
            return ArchiveDraft(work, sent, ArchiveWriter(sent, top, may_go_on, work.home))
        sink = TeeSink(FileSink(unfinished_archive(work), self.target), sent, keep=keep)
        if not resume:
            return ArchiveDraft(work, sink, ArchiveWriter(sink, top, may_go_on, work.home))
        return FilesFirstDraft(work, sink, top, may_go_on)

    def _sink(self, work: WorkFolder, may_go_on: Callable[[], None], *, resume: bool) -> S3Sink:
        journal = _journal(self.target)
        if not resume:
            self._abort_earlier(journal)
        return S3Sink(
            self._client,
            self._bucket,
            self._key,
            work.home,
            journal=journal,
            may_go_on=may_go_on,
            warn=self._context.console.warn,
        )

    def _abort_earlier(self, journal: UploadJournal) -> None:
        """End the upload of an export that was killed."""
        upload = journal.upload(self._client)
        if upload is not None:
            try:
                waiting_for(upload.abort, self._context.stop.check)
            except ZopsError as error:
                self._context.console.warn(f"an unfinished upload is left: {error.message}")
            journal.forget()


def _journal(target: Path) -> UploadJournal:
    """Beside the work folder, not in it: it is read before what was left there is thrown away."""
    return UploadJournal(target.with_name(f".{target.name}.upload"))


def upload_destination(
    context: Context, realm: Realm, output: Path | None, name: str, *, resume: bool
) -> Destination:
    """Where a server with its files in S3 keeps exports; with `resume`, the place of the last."""
    settings = context.settings
    public = settings.s3_export_bucket is None
    bucket = settings.s3_export_bucket or settings.s3_avatar_bucket or ""
    work_name = f"upload-{realm.realm_id}"
    target = output or settings.home / WORK_FOLDERS / work_name
    folder = "exports/" if public else ""
    key = (_journal(target).key if resume else None) or f"{folder}{secrets.token_hex(16)}/{name}"
    client = connect(settings)
    found = S3Destination(context, bucket, key, client=client, output=output, work_name=work_name)
    found.url = _address(client, bucket, key, public=public)
    found.export_path = f"/{key}"
    return found


def uploaded_address(settings: Settings, path: str) -> str:
    """The address of an export that was uploaded, by what the server's table calls it."""
    public = settings.s3_export_bucket is None
    bucket = settings.s3_export_bucket or settings.s3_avatar_bucket or ""
    return _address(connect(settings), bucket, path.removeprefix("/"), public=public)


def _address(client: Any, bucket: str, key: str, *, public: bool) -> str:
    """The object's address; where not all may read it, one with which they may for a week."""
    with explained(client, "cannot make the address of the export"):
        url: str = client.generate_presigned_url(
            "get_object", {"Bucket": bucket, "Key": key}, VALID_SECONDS
        )
    return urlsplit(url)._replace(query="").geturl() if public else url
