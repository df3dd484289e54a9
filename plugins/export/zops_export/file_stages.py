"""The stages of an export that copy files, each with a `records.json` that lists them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from zcore.schema import tables
from zops_export.file_copying import MISSING, Copied, Copier, Lost, report_lost
from zops_export.file_records import RecordsFile, file_record, object_record, sorted_files
from zops_export.ordered_work import waiting_for
from zops_export.selection import SYSTEM_BOT_REALM, attachments, users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore.files import StoredFile
    from zops_export.export_job import ExportJob
    from zops_export.file_records import Record

UPLOADED_AVATAR = "U"
ORIGINAL, SMALL = ".original", ".png"
AVATAR_SUFFIXES = (ORIGINAL, SMALL)
ROWS_AT_ONCE = 1000
WRONG_FOLDER = "was ZOPS_UPLOADS set to the right folder?"
WRONG_SALT = "was ZOPS_AVATAR_SALT set to the server's salt, and ZOPS_UPLOADS to its folder?"


class Upload(NamedTuple):
    """What the record of an upload says of its owner."""

    realm_id: int
    user_profile_id: int
    user_profile_email: str


class Avatar(NamedTuple):
    """What the record of an avatar says of its owner, and which of their avatars it is."""

    realm_id: int
    user_profile_id: int
    user_profile_email: str
    avatar_version: int


class Emoji(NamedTuple):
    """What the record of a custom emoji says of its row; and the address of the author."""

    realm_id: int
    author: int | None
    file_name: str
    name: str
    deactivated: bool
    user_profile_email: str | None


def copy_uploads(job: ExportJob) -> dict[str, int]:
    """`uploads/`: the file of each exported attachment. A lost one is left out, with its row."""
    value = job.rewrites.value
    query = (
        sa.select(attachments.c.path_id, attachments.c.realm_id, users.c.id, value(users.c.email))
        .join(users, users.c.id == attachments.c.owner_id)
        .where(job.selection.where(attachments))
    )
    copier = Copier(job, job.files.uploads)
    with sorted_files(Upload) as files, RecordsFile() as records:
        for path, *owner in _rows(job, query):
            files.add(path, Upload._make(owner))
        wanted = (({path: path}, (path, uploads[0])) for path, uploads in files)
        for (path, upload), copied in copier.each("uploads", wanted):
            for lost in copied.lost.values():
                job.missing_uploads.add(path)
                report_lost(job, lost, "upload", path, WRONG_FOLDER)
            for stored in copied.files.values():
                records.add(file_record(stored, path, upload._asdict()), stored.size)
        return records.write(job, "uploads")


def copy_avatars(job: ExportJob) -> dict[str, int]:
    """`avatars/`: what users uploaded as their picture, and the small version of it."""
    value = job.rewrites.value
    query = sa.select(
        users.c.realm_id, users.c.id, value(users.c.email), users.c.avatar_version
    ).where(job.selection.users_where(), value(users.c.avatar_source) == UPLOADED_AVATAR)
    copier = Copier(job, job.files.avatars)
    with sorted_files(Avatar) as files, RecordsFile() as records:
        for avatar in map(Avatar._make, _rows(job, query)):
            files.add(job.files.avatar_key(*avatar[:2], avatar.avatar_version), avatar)
        wanted = ((_versions(key), (key, avatars[0])) for key, avatars in files)
        for (key, avatar), copied in copier.each("avatars", wanted):
            _report_lost_avatar(job, avatar, key, copied)
            for path, stored in copied.files.items():
                record = file_record(stored, path, avatar._asdict())
                if key + SMALL not in copied.files:  # then an importer is asked to make it
                    record["importer_should_thumbnail"] = True
                records.add(record, stored.size)
        return records.write(job, "avatars")


def _versions(key: str) -> dict[str, str]:
    return {key + suffix: key + suffix for suffix in AVATAR_SUFFIXES}


def _report_lost_avatar(job: ExportJob, avatar: Avatar, key: str, copied: Copied) -> None:
    """One of the two may well be missing; whoever has none at all has lost it."""
    what = f"avatar of user {avatar.user_profile_id}"
    for path, lost in copied.lost.items():
        if not lost.is_missing:
            report_lost(job, lost, what, path)
    all_missing = not copied.files and all(lost.is_missing for lost in copied.lost.values())
    if all_missing and job.realm.string_id != SYSTEM_BOT_REALM:
        report_lost(job, copied.lost[key + SMALL], what, key, WRONG_SALT)


def copy_emoji(job: ExportJob) -> dict[str, int]:
    """`emoji/`: the realm's custom emoji, deactivated ones too, and what they were made from.

    The row of one whose file is lost stays: reactions refer to it, and it can be imported.
    """
    copier = Copier(job, job.files.avatars)
    with sorted_files(Emoji) as files, RecordsFile() as records:
        for emoji in _emoji(job):
            base = f"{emoji.realm_id}/emoji/images/{emoji.file_name}"
            for suffix in ("", ORIGINAL):
                files.add(base + suffix, emoji)
        wanted = (({path: path}, (path, rows)) for path, rows in files)
        for (path, rows), copied in copier.each("emoji", wanted):
            for lost in copied.lost.values():
                if not (lost.is_missing and path.endswith(ORIGINAL)):
                    report_lost(job, lost, "emoji", path)
            for stored in copied.files.values():
                for emoji in rows:  # old servers let an emoji and its successor share a file
                    records.add(_emoji_record(stored, path, emoji), stored.size)
        return records.write(job, "emoji")


def _emoji(job: ExportJob) -> Iterator[Emoji]:
    """The rows of the realm's emoji; of those that have no file it is said."""
    emoji, value = tables["zerver_realmemoji"], job.rewrites.value
    query = (
        sa.select(
            emoji.c.realm_id,
            value(emoji.c.author_id),
            emoji.c.file_name,
            value(emoji.c.name),
            value(emoji.c.deactivated),
            value(users.c.email),
            emoji.c.id,
        )
        .outerjoin(users, users.c.id == value(emoji.c.author_id))
        .where(job.selection.where(emoji))
        .order_by(emoji.c.id)
    )
    for *row, emoji_id in _rows(job, query):
        found = Emoji._make(row)
        if found.file_name:
            yield found
        else:
            place = f"zerver_realmemoji {emoji_id} ({found.name})"
            report_lost(job, Lost(MISSING, "is not in the file store"), "emoji", place)


def _emoji_record(stored: StoredFile, path: str, emoji: Emoji) -> Record:
    """A server with an object store leaves out what the row says. Importers make use of it."""
    record = object_record(stored)
    if record:
        record |= {"user_profile_email": emoji.user_profile_email}
        record.pop("user_profile_id", None)
        if emoji.author is not None:
            record["user_profile_id"] = emoji.author
    return record | {
        "realm_id": emoji.realm_id,
        "author": emoji.author,
        "path": path,
        "s3_path": path,
        "file_name": emoji.file_name,
        "name": emoji.name,
        "deactivated": emoji.deactivated,
    }


def copy_realm_icons(job: ExportJob) -> dict[str, int]:
    """`realm_icons/`: the realm's icon and logos."""
    copier = Copier(job, job.files.avatars)
    with RecordsFile() as records:
        wanted = (({path: key}, (path, key)) for path, key in _icons(job))
        for (path, key), copied in copier.each("realm_icons", wanted):
            for lost in copied.lost.values():
                report_lost(job, lost, "icon or logo", key)
            for stored in copied.files.values():
                facts = {"realm_id": job.realm.realm_id, "path": path, "s3_path": path}
                records.add(_with_uploader(job, object_record(stored)) | facts, stored.size)
        return records.write(job, "realm_icons")


def _icons(job: ExportJob) -> Iterator[tuple[str, str]]:
    """The path in the export and the key of each; servers record them in two ways."""
    realm_id = job.realm.realm_id
    store = job.files.avatars
    for file in waiting_for(lambda: list(store.list(f"{realm_id}/realm")), job.may_go_on):
        name = PurePosixPath(file.key).name
        if file.key == f"{realm_id}/realm/{name}":
            yield file.key if file.bucket else f"{realm_id}/{name}", file.key


def _with_uploader(job: ExportJob, record: Record) -> Record:
    """An importer takes the user that an object names for one of the export: is it?"""
    user_id = record.pop("user_profile_id", None)
    query = sa.select(users.c.id, job.rewrites.value(users.c.email)).where(
        job.selection.users_where(), users.c.id == user_id
    )
    for found, email in _rows(job, query) if isinstance(user_id, int) else ():
        record |= {"user_profile_id": found, "user_profile_email": email}
    return record


def _rows(job: ExportJob, query: sa.Select[*tuple[Any, ...]]) -> Iterator[sa.Row[*tuple[Any, ...]]]:
    with job.read() as reader:
        found = reader.connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
        for number, row in enumerate(found):
            if number % ROWS_AT_ONCE == 0:
                job.may_go_on()
            yield row
