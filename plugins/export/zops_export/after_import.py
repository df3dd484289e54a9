"""What is done once an import is committed. None of it can fail the import any more."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import ZopsError
from zcore.broker import is_rabbitmq, publish_events
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zcore import Context

THUMBNAIL = "thumbnail"
MANY_ROWS = 1000  # fewer change nothing in how a table is best read

image_attachments = tables["zerver_imageattachment"]


def tell_services(
    context: Context, realm_id: int, written: Mapping[str, int] | None = None
) -> None:
    """Give the database its statistics, and the workers of thumbnails their work.

    `written` counts the new rows by table; None: that is not known any more.
    """
    try:
        _gather_statistics(context, written)
    except ZopsError as error:
        context.console.warn(f"the database has no new statistics ({error.message}): run ANALYZE")
    try:
        _ask_for_thumbnails(context, realm_id)
    except ZopsError as error:
        context.console.warn(
            f"thumbnails are made when somebody looks at an image: {error.message}"
        )


def _gather_statistics(context: Context, written: Mapping[str, int] | None) -> None:
    """PostgreSQL finds out by itself, but later, and reads the new rows badly until then."""
    if context.database.dialect == "sqlite":
        return
    with context.database.begin() as connection:
        if written is None:
            connection.exec_driver_sql("ANALYZE")
            return
        quote = connection.dialect.identifier_preparer.quote
        for table, count in sorted(written.items()):
            if count >= MANY_ROWS:
                connection.exec_driver_sql(f"ANALYZE {quote(table)}")


def _ask_for_thumbnails(context: Context, realm_id: int) -> None:
    """For whoever works on the queue: a server, or 'zops process-queue'."""
    settings = context.settings
    if settings.is_default("broker") or (
        context.database.is_server and not is_rabbitmq(settings.broker)
    ):
        return
    if first := next(events := _events(context, realm_id), None):
        asked = publish_events(context, THUMBNAIL, chain([first], events))
        context.console.debug(f"published {asked} events to {THUMBNAIL}")


def _events(context: Context, realm_id: int) -> Iterator[dict[str, object]]:
    """One for each image, by its id. Older servers know of none."""
    query = sa.select(image_attachments.c.id).where(image_attachments.c.realm_id == realm_id)
    with context.database.read() as connection:
        if not sa.inspect(connection).has_table(image_attachments.name):
            return
        ids = connection.execute(query, execution_options={"yield_per": MANY_ROWS})
        for ident in ids.scalars():
            yield {"id": ident}
