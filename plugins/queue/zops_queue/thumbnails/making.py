"""The thumbnails of one image, made and stored; what is no image is taken out of its messages."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, current
from zcore.files import Metadata
from zcore.images import CONTENT_TYPES, WEBP, UnusableImage, shrunk
from zcore.schema.files import zerver_imageattachment
from zcore.schema.realms import zerver_realm
from zops_queue.thumbnails.formats import Picture
from zops_queue.thumbnails.messages import rewrite_messages, tell_of_messages
from zops_queue.thumbnails.rendered import UPLOADS, Shown, with_thumbnail, without_image
from zops_queue.workers.fields import BadField

if TYPE_CHECKING:
    from zcore.broker import WorkContext
    from zcore.files import FileStore
    from zops_queue.thumbnails.formats import Format
    from zops_queue.thumbnails.messages import Rerendered

READABLE = frozenset(CONTENT_TYPES.values())
MEDIA = b"ftyp"  # behind the first four bytes of formats for films, which HEIC is one of


def make_thumbnails(picture_id: int, work: WorkContext) -> None:
    """Make what thumbnails the image lacks, and let messages show it.

    The row is locked meanwhile: whoever looks for a thumbnail that is missing waits for it. One
    that is gone needs none. Raises `BadField` for an image that we cannot read, or whose file is
    not there.
    """
    uploads = current().files.uploads
    with work.database.begin() as connection:
        picture = _find(connection, picture_id)
        if picture is None or not picture.missing():
            return
        changed = _fill(connection, picture, _content(uploads, picture), uploads)
        string_id = connection.scalar(
            sa.select(zerver_realm.c.string_id).where(zerver_realm.c.id == picture.realm_id)
        )
        tell_of_messages(work, connection, str(string_id), changed)
    if changed:
        details = {"message_ids": [message.id for message in changed]}
        change = Change("message.rerendered", picture.realm_id, str(string_id), details=details)
        current().committed(change)


def _find(connection: sa.Connection, picture_id: int) -> Picture | None:
    rows = zerver_imageattachment.c
    chosen = sa.select(
        rows.id,
        rows.realm_id,
        rows.path_id,
        rows.content_type,
        rows.original_width_px,
        rows.original_height_px,
        rows.frames,
        rows.thumbnail_metadata,
    )
    row = connection.execute(chosen.where(rows.id == picture_id).with_for_update()).first()
    return None if row is None else Picture(*row)


def _content(uploads: FileStore, picture: Picture) -> bytes:
    """The image. Raises `BadField` when it is not there, or of a kind that we cannot read."""
    try:
        with uploads.open(picture.path_id) as file:
            content = file.read()
    except FileNotFoundError:
        raise BadField(f"there is no file {picture.path_id!r}") from None
    kind = picture.content_type
    is_foreign = kind is not None and kind not in READABLE
    if is_foreign or (kind != "image/avif" and content[4:8] == MEDIA):
        raise BadField(f"only the server can read an image of the type {kind or 'image/heic'}")
    return content


def _fill(
    connection: sa.Connection, picture: Picture, content: bytes, uploads: FileStore
) -> list[Rerendered]:
    """Make and store what is missing, and write it down. Returns messages that changed by it."""
    made = list(picture.made)
    try:
        for each in picture.missing():
            made.append(_make(picture, each, content, uploads))
    except UnusableImage as error:
        current().console.note(f"no thumbnail of {picture.path_id!r}: {error.message}")
        if not made:
            return _remove(connection, picture)
    rows = zerver_imageattachment
    connection.execute(
        sa.update(rows).where(rows.c.id == picture.id).values(thumbnail_metadata=made)
    )
    shown = _shown(replace(picture, made=made))
    return rewrite_messages(
        connection, picture, lambda html: with_thumbnail(html, picture.path_id, shown)
    )


def _make(
    picture: Picture, wanted: Format, content: bytes, uploads: FileStore
) -> dict[str, object]:
    """Make and store one thumbnail. Returns what the database keeps of it."""
    made = shrunk(
        io.BytesIO(content),
        wanted.max_width,
        wanted.max_height,
        animated=wanted.animated,
    )
    metadata = Metadata(content_type=WEBP)
    uploads.put(picture.key(wanted.name), io.BytesIO(made.content), metadata=metadata)
    return wanted.entry(made.width, made.height, len(made.content))


def _remove(connection: sa.Connection, picture: Picture) -> list[Rerendered]:
    """It is no image: nobody waits for it any more."""
    rows = zerver_imageattachment
    connection.execute(sa.delete(rows).where(rows.c.id == picture.id))
    return rewrite_messages(connection, picture, lambda html: without_image(html, picture.path_id))


def _shown(picture: Picture) -> Shown:
    return Shown(
        src=f"{UPLOADS}{picture.key(picture.default.name)}",
        dimensions=f"{picture.width}x{picture.height}",
        content_type=picture.content_type,
        animated=picture.default.animated,
        transcoded=picture.transcoded(),
    )
