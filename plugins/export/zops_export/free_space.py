"""Is there room for an export? Judged by what it takes at least, so that no is no.

A disk that fills up ends an export, too, and leaves nothing; but that can be after an hour.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import ExportRequest, Problem
from zcore.schema import tables
from zops_export.archive_writing import SUFFIX
from zops_export.claimed_folder import work_folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zcore import Validation

OVERRIDE = "--ignore-free-space"
# A message as JSON, with the names of its columns and no text; packed together with others.
BYTES_OF_A_MESSAGE, BYTES_OF_A_PACKED_MESSAGE = 600, 40
# What such files lose in an archive; all others may be text, which loses nearly all.
PACKED_ALREADY = ("image/jpeg", "image/png", "image/gif", "image/webp", "video/%", "audio/%")
SHARE_OF_PACKED, SHARE_OF_OTHERS = 0.9, 0.05

attachments = tables["zerver_attachment"]
links = tables["zerver_attachment_messages"]
messages = tables["zerver_message"]


def room_is_there(values: Sequence[ExportRequest], context: Validation) -> Iterator[Problem]:
    """The disk has room for what the export takes at least."""
    if context.database is None:
        return
    for index, request in enumerate(values):
        target = Path(request.target)
        free = _free(target)
        if free is None:
            continue
        with context.database.read() as connection:
            needed = _least(connection, request) - _size(work_folder_of(target))
        if needed > free:
            yield Problem(
                "no-space",
                f"the export takes {_shown(needed)} or more, and there are {_shown(free)} free in"
                f" {target.parent}",
                f"choose another place with --output, or try it with {OVERRIDE}",
                index,
                override=OVERRIDE,
            )


def _free(target: Path) -> int | None:
    """Bytes that we may still write where the target is to be; None when that is not known."""
    try:
        found = os.statvfs(target.parent)
    except (OSError, ValueError):
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def _least(connection: sa.Connection, request: ExportRequest) -> int:
    """Bytes that the export takes in any case."""
    packed = request.target.endswith(SUFFIX)
    of_files = _files(connection, request, packed=packed)
    if request.mode != "full":  # how many messages it takes is not worth asking twice
        return of_files
    mine = sa.select(sa.func.count()).where(messages.c.realm_id == request.realm_id)
    count: int = connection.execute(mine).scalar_one()
    return of_files + count * (BYTES_OF_A_PACKED_MESSAGE if packed else BYTES_OF_A_MESSAGE)


def _files(connection: sa.Connection, request: ExportRequest, *, packed: bool) -> int:
    """Bytes of uploaded files that somebody has sent, and of those what is left in an archive."""
    chosen = sa.and_(
        attachments.c.realm_id == request.realm_id,
        attachments.c.id.in_(sa.select(links.c.attachment_id)),
    )
    if request.mode != "full":
        chosen = sa.and_(chosen, attachments.c.is_realm_public)
    size: sa.ColumnElement[float] = attachments.c.size
    if packed:
        kind = attachments.c.content_type
        dense = sa.or_(*(kind.like(one) for one in PACKED_ALREADY))
        size = size * sa.case((dense, SHARE_OF_PACKED), else_=SHARE_OF_OTHERS)
    total = sa.select(sa.func.coalesce(sa.func.sum(size), 0)).where(chosen)
    return int(connection.execute(total).scalar_one())


def _size(folder: Path) -> int:
    """Bytes that an export before has written there, which need not be written again."""
    paths = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_size for path in paths)


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
