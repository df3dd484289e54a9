"""Rows of `zerver_imageattachment`: what a server knows of uploaded images. No export has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import sqlalchemy as sa

from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.images import ImageFacts
    from zops_export.file_places import Place
    from zops_export.import_job import ImportJob

ROWS_AT_ONCE = 1000
COLUMNS = ("path_id", "content_type", "original_width_px", "original_height_px", "frames")

image_attachments = tables["zerver_imageattachment"]


class ImageRows:
    """Writes the rows of an import, some at a time; none where the server has no such table."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._rows: list[tuple[object, ...]] = []
        self._columns = _columns_there(job.writer.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_exception: object) -> None:
        if kind is None:
            self._write()

    def add(self, place: Place, facts: ImageFacts) -> None:
        """The row of an upload. Thumbnails are made later, by a worker."""
        said = (place.key, place.content_type, facts.width, facts.height, facts.frames)
        values = dict(zip(COLUMNS, said, strict=True))
        self._rows.append(tuple(values[name] for name in self._columns))
        if len(self._rows) == ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        if self._columns and self._rows:
            constants = {"realm_id": self._job.realm_id, "thumbnail_metadata": []}
            self._job.image_count += self._job.writer.copy_in(
                image_attachments, self._columns, self._rows, constants
            )
        self._rows.clear()


def _columns_there(connection: sa.Connection) -> tuple[str, ...]:
    """Those of `COLUMNS` that the connected server has: older ones had no `content_type`."""
    inspector = sa.inspect(connection)
    if not inspector.has_table(image_attachments.name):
        return ()
    there = {column["name"] for column in inspector.get_columns(image_attachments.name)}
    return tuple(name for name in COLUMNS if name in there)
