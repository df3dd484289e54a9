"""The stages of an export that copy files, each with a `records.json` that lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVarTuple

import msgspec
import sqlalchemy as sa

from zcore import Finding
from zcore.schema import tables
from zops_export.selection import SYSTEM_BOT_REALM, attachments, users

if TYPE_CHECKING:
    from zcore.files import FileStore, StoredFile
    from zops_export.export_job import ExportJob

UPLOADED_AVATAR = "U"
AVATAR_SUFFIXES = (".original", ".png")
WRONG_FOLDER = "was ZOPS_UPLOADS set to the right folder?"
WRONG_SALT = "was ZOPS_AVATAR_SALT set to the server's salt, and ZOPS_UPLOADS to its folder?"

Record = Mapping[str, object]
Columns = TypeVarTuple("Columns")


def copy_uploads(job: ExportJob) -> dict[str, int]:
    """`uploads/`: the file of each exported attachment. A lost one is left out, with its row."""
    value = job.rewrites.value
    query = (
        sa.select(attachments.c.path_id, attachments.c.realm_id, users.c.id, value(users.c.email))
        .join(users, users.c.id == attachments.c.owner_id)
        .where(job.selection.where(attachments))
        .order_by(attachments.c.path_id)
    )
    records: list[Record] = []
    for path_id, realm_id, user_id, email in _fetch(job, query):
        stored = _copy(job, job.files.uploads, path_id, f"uploads/{path_id}")
        if stored is None:
            job.missing_uploads.add(path_id)
            _report_missing(job, "upload", path_id)
            continue
        records.append(_user_record(stored, path_id, realm_id, user_id, email))
    return _write_records(job, "uploads", records)


def copy_avatars(job: ExportJob) -> dict[str, int]:
    """`avatars/`: what users uploaded as their picture, and the small version of it."""
    value = job.rewrites.value
    query = (
        sa.select(users.c.realm_id, users.c.id, value(users.c.email), users.c.avatar_version)
        .where(job.selection.users_where(), value(users.c.avatar_source) == UPLOADED_AVATAR)
        .order_by(users.c.id)
    )
    records: list[Record] = []
    for realm_id, user_id, email, version in _fetch(job, query):
        key = job.files.avatar_key(realm_id, user_id, version)
        before = len(records)
        for suffix in AVATAR_SUFFIXES:
            path = key + suffix
            stored = _copy(job, job.files.avatars, path, f"avatars/{path}")
            if stored is not None:
                record = _user_record(stored, path, realm_id, user_id, email)
                records.append({**record, "avatar_version": version})
        if len(records) == before and job.realm.string_id != SYSTEM_BOT_REALM:
            _report_missing(job, f"avatar of user {user_id}", key, WRONG_SALT)
    return _write_records(job, "avatars", records)


def copy_emoji(job: ExportJob) -> dict[str, int]:
    """`emoji/`: the realm's custom emoji, deactivated ones too, and what they were made from."""
    emoji, value = tables["zerver_realmemoji"], job.rewrites.value
    query = (
        sa.select(
            emoji.c.realm_id,
            value(emoji.c.author_id),
            emoji.c.file_name,
            value(emoji.c.name),
            value(emoji.c.deactivated),
            emoji.c.id,
        )
        .where(job.selection.where(emoji))
        .order_by(emoji.c.id)
    )
    records: list[Record] = []
    for realm_id, author, file_name, name, deactivated, emoji_id in _fetch(job, query):
        base = f"{realm_id}/emoji/images/{file_name}"
        for path in (base, f"{base}.original") if file_name else ():
            stored = _copy(job, job.files.avatars, path, f"emoji/{path}")
            if stored is None and path == base:
                _report_missing(job, "emoji", path)
            if stored is not None:
                records.append(
                    {
                        "realm_id": realm_id,
                        "author": author,
                        "path": path,
                        "s3_path": path,
                        "file_name": file_name,
                        "name": name,
                        "deactivated": deactivated,
                    }
                )
        if not file_name:
            _report_missing(job, "emoji", f"zerver_realmemoji {emoji_id} ({name})")
    return _write_records(job, "emoji", records)


def copy_realm_icons(job: ExportJob) -> dict[str, int]:
    """`realm_icons/`: the realm's icon and logos."""
    realm_id = job.realm.realm_id
    records: list[Record] = []
    for stored in job.files.avatars.list(f"{realm_id}/realm"):
        path = f"{realm_id}/{PurePosixPath(stored.key).name}"
        if _copy(job, job.files.avatars, stored.key, f"realm_icons/{path}") is not None:
            records.append({"realm_id": realm_id, "path": path, "s3_path": path})
    return _write_records(job, "realm_icons", records)


def _fetch(job: ExportJob, query: sa.Select[*Columns]) -> Sequence[sa.Row[*Columns]]:
    with job.read() as reader:
        return reader.connection.execute(query).all()


def _copy(job: ExportJob, store: FileStore, key: str, name: str) -> StoredFile | None:
    """Copy one stored file into the export; None when the store does not have it."""
    job.may_go_on()
    stored = store.find(key)
    if stored is None:
        return None
    if name in job.written:  # old servers let an emoji and its successor share a file
        return replace(stored, size=job.written[name].size)
    return replace(stored, size=job.copy(store, stored, name))


def _user_record(stored: StoredFile, path: str, realm_id: int, user_id: int, email: str) -> Record:
    return {
        "realm_id": realm_id,
        "user_profile_id": user_id,
        "user_profile_email": email,
        "s3_path": path,
        "path": path,
        "size": stored.size,
        "last_modified": stored.modified,
        "content_type": stored.content_type,
    }


def _report_missing(job: ExportJob, kind: str, key: str, hint: str = WRONG_FOLDER) -> None:
    job.find(
        Finding(
            "missing-file",
            f"the file of the {kind} is not in the file store; it was left out",
            where=key,
            hint=hint,
        )
    )


def _write_records(job: ExportJob, kind: str, records: list[Record]) -> dict[str, int]:
    records.sort(key=lambda record: str(record["path"]))
    with job.open(f"{kind}/records.json") as file:
        file.write(b"[")
        for number, record in enumerate(records):
            file.write((b",\n" if number else b"\n") + msgspec.json.encode(record))
        file.write(b"\n]\n" if records else b"]\n")
    job.rows[f"{kind}_records"] = {kind: len(records)}
    sizes = (job.written[f"{kind}/{record['path']}"].size for record in records)
    return {"files": len(records), "bytes": sum(sizes)}
