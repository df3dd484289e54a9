"""The stage of an import that puts files into their places, and writes what follows from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Finding
from zcore.crash_points import crash_point
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.schema import tables
from zops_export.file_metadata import MetadataMaker
from zops_export.file_places import places
from zops_export.file_storing import FileStoring
from zops_export.image_rows import ImageRows

if TYPE_CHECKING:
    from zops_export.file_places import Place
    from zops_export.file_storing import Stored
    from zops_export.import_job import ImportJob

GRAVATAR = "G"
UNUSABLE = "unusable-image"
HEIC = "image/heic"

users, emoji = tables["zerver_userprofile"], tables["zerver_realmemoji"]


def store_files(job: ImportJob) -> dict[str, int]:
    """Copy every recorded file to where this server keeps it; taken back if the import fails."""
    storing = FileStoring(job, places(job), MetadataMaker(job))
    size = 0
    with ImageRows(job) as images:
        for place, stored in storing.each():
            if stored.size is not None:
                size += stored.size
                job.file_count += 1
            job.made_count += stored.made
            job.advance(files=1)
            if stored.unusable:
                _report_unusable(job, place, stored)
            elif stored.image is not None:
                _take_facts(job, place, stored, images)
            crash_point(f"stored:{place.record.name}")
    return {"files": job.file_count, "bytes": size}


def _take_facts(job: ImportJob, place: Place, stored: Stored, images: ImageRows) -> None:
    """What the database says of images."""
    if stored.image is None:
        return
    if place.image == "upload":
        images.add(place, stored.image)
    elif place.image == "emoji" and stored.image.frames > 1:
        job.writer.connection.execute(
            sa.update(emoji)
            .where(
                emoji.c.realm_id == job.realm_id,
                emoji.c.file_name == str(place.record.row.get("file_name")),
                emoji.c.deactivated.is_(False),
            )
            .values(is_animated=True)
        )


def _report_unusable(job: ImportJob, place: Place, stored: Stored) -> None:
    follows = {
        "upload": "people can fetch it, and see no small version",
        "avatar": "it was left out, and the user has the picture that Gravatar knows",
    }.get(place.image, "it was copied as it is")
    message = f"the {place.image} cannot be shown: {stored.unusable}; {follows}"
    job.find(Finding(UNUSABLE, message, place.record.name, _hint(place)))
    if place.image == "avatar":
        _take_avatar_away(job, place)


def _hint(place: Place) -> str:
    from zcore.images import LOOKED_AT

    lacking = place.content_type == HEIC and HEIC not in LOOKED_AT.values()
    return "with pip install 'zops-cli[heic]' such images are read" if lacking else ""


def _take_avatar_away(job: ImportJob, place: Place) -> None:
    """As a server does it with a picture that it cannot read."""
    user_id = job.ids["zerver_userprofile"].get(int(str(place.record.row["user_profile_id"])))
    if user_id is None:
        return
    job.writer.connection.execute(
        sa.update(users)
        .where(users.c.id == user_id)
        .values(avatar_source=GRAVATAR, avatar_version=users.c.avatar_version + 1)
    )
    entry = AuditEntry(
        event_type=AuditEvent.USER_AVATAR_SOURCE_CHANGED,
        realm_id=job.realm_id,
        modified_user_id=user_id,
        event_time=datetime.now(UTC),
        extra_data={"avatar_source": GRAVATAR},
    )
    write_audit_entries(job.writer.connection, [entry])
