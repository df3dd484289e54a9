"""What an import has the file store keep beside each file: what a server would have put there.

A server that keeps its files in S3 reads them back: without the owner and the organization it
cannot export the object.
"""

from __future__ import annotations

import mimetypes
import re
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.files import Metadata
from zcore.organizations.codes import Role
from zcore.schema import tables

if TYPE_CHECKING:
    from zops_export.export_index import FileRecord
    from zops_export.import_job import ImportJob

UNKNOWN_TYPE = "application/octet-stream"
NEVER_CHANGES = "public, max-age=31536000, immutable"
CONTENT_TYPE = re.compile(r"[a-z]+/[\x21-\x7e][\x20-\x7e]{0,100}", re.IGNORECASE)
MOMENT = re.compile(r"[\x21-\x7e]{1,40}")

users = tables["zerver_userprofile"]


class MetadataMaker:
    """Makes the metadata of the files of one import. There once the rows are written."""

    def __init__(self, job: ImportJob) -> None:
        self._realm_id = job.realm_id
        self._users = job.ids["zerver_userprofile"]
        self._first_owner = _first_owner(job)
        self._now = time.time()

    def of(self, record: FileRecord, key: str, known_type: str = "") -> Metadata:
        """The metadata of the file that `record` describes, stored as `key`.

        `known_type` is the content type of an upload as its attachment has it, of a picture what
        it was seen to be; "" when neither is known.
        """
        entries = self._entries(record)
        if record.kind == "emoji":
            guess = _guess(key.removesuffix(".original"))
            return Metadata(known_type or guess, NEVER_CHANGES, entries)
        modified = self._now if record.kind == "realm_icons" else record.row.get("last_modified")
        if MOMENT.fullmatch(str(modified)) and modified is not None:
            entries["orig_last_modified"] = str(modified)
        return Metadata(_content_type(record, key, known_type), "", entries)

    def of_made(self, record: FileRecord, content_type: str) -> Metadata:
        """The metadata of a picture that was made of the file that `record` describes."""
        return Metadata(content_type, NEVER_CHANGES, self._entries(record))

    def _entries(self, record: FileRecord) -> dict[str, str]:
        entries = {"realm_id": str(self._realm_id), **self._owner(record)}
        if record.kind == "avatars":
            entries["avatar_version"] = str(record.row.get("avatar_version", 1))
        return entries

    def _owner(self, record: FileRecord) -> dict[str, str]:
        """Whose file it is; what is nobody's is the first owner's of the organization."""
        old = record.row.get("author" if record.kind == "emoji" else "user_profile_id")
        found = self._users.get(old) if isinstance(old, int) else None
        user = self._first_owner if found is None else found
        return {} if user is None else {"user_profile_id": str(user)}


def _first_owner(job: ImportJob) -> int | None:
    query = sa.select(sa.func.min(users.c.id)).where(
        users.c.realm_id == job.realm_id, users.c.role == Role.OWNER, users.c.is_active
    )
    found: int | None = job.writer.connection.execute(query).scalar_one()
    return found


def _content_type(record: FileRecord, key: str, known_type: str) -> str:
    """Of an upload as recorded, with the file or its attachment, if that can be one.

    Only uploads may be anything: the others are for all to see, and the browser would do what the
    record says. So what they were seen to be counts first.
    """
    recorded = str(record.row.get("content_type"))
    if record.kind == "uploads":
        usable = filter(CONTENT_TYPE.fullmatch, (recorded, known_type))
        return next(usable, "") or _guess(key)
    is_image = CONTENT_TYPE.fullmatch(recorded) and recorded.lower().startswith("image/")
    return known_type or (recorded if is_image else _guess(key))


def _guess(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or UNKNOWN_TYPE
