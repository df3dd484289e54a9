"""The stage of an import that puts files into their places."""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from zcore import Finding
from zops_export.file_metadata import MetadataMaker

if TYPE_CHECKING:
    from zcore.files import FileStore
    from zops_export.export_index import FileRecord
    from zops_export.import_job import ImportJob


class Place(NamedTuple):
    """Where a file goes, and what the export says of it."""

    store: FileStore
    key: str
    record: FileRecord


def store_files(job: ImportJob) -> dict[str, int]:
    """Copy every recorded file to where this server keeps it; taken back if the import fails."""
    places = _places(job)
    metadata = MetadataMaker(job)
    size = 0
    begun: list[FileStore] = []
    for name, content in job.source.files(places):
        job.may_go_on()
        store, key, record = places[name]
        if store not in begun:  # the answer may get lost after the store has taken the file
            job.on_failure(partial(store.delete, key))
        size += store.put(key, content, metadata=metadata.of(record, key))
        job.file_count += 1
        job.advance(files=1)
        if store not in begun:  # nothing else is there: the organization's number was free
            begun.append(store)
            job.on_failure(partial(store.delete, str(job.realm_id)))
    return {"files": job.file_count, "bytes": size}


def _places(job: ImportJob) -> dict[str, Place]:
    """The store and key of every file in the export that a record names."""
    places: dict[str, Place] = {}
    for record in job.index.records:
        place = _place(job, record)
        if place is None:
            continue
        if record.name in job.source.names:
            places[record.name] = place
        elif record.kind != "uploads":  # a lost upload was reported with its attachment
            job.findings.append(
                Finding("missing-file", "the export records the file but has it not", record.name)
            )
    return places


def _place(job: ImportJob, record: FileRecord) -> Place | None:
    """Where a file goes; None when nothing here would use it."""
    realm_id, row = job.realm_id, record.row
    base = PurePosixPath(record.path).name
    if record.kind == "uploads":
        path = job.upload_paths.get(str(row.get("s3_path")))
        return None if path is None else Place(job.files.uploads, path, record)
    if record.kind == "avatars":
        return _avatar_place(job, record)
    if record.kind == "emoji":
        return Place(job.files.avatars, f"{realm_id}/emoji/images/{base}", record)
    return Place(job.files.avatars, f"{realm_id}/realm/{base}", record)


def _avatar_place(job: ImportJob, record: FileRecord) -> Place | None:
    old, version = record.row.get("user_profile_id"), record.row.get("avatar_version", 1)
    user = job.ids["zerver_userprofile"].get(old) if isinstance(old, int) else None
    if user is None or not isinstance(version, int):
        job.findings.append(
            Finding("orphan-avatar", "the picture belongs to nobody in the export", record.name)
        )
        return None
    suffix = ".original" if str(record.row.get("s3_path")).endswith(".original") else ".png"
    key = job.files.avatar_key(job.realm_id, user, version) + suffix
    return Place(job.files.avatars, key, record)
