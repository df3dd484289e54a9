"""Queue `thumbnail`: smaller copies of uploaded images, for messages to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore.broker import Rejected, is_rabbitmq
from zcore.errors import ZopsError
from zops_queue.workers import needs_database
from zops_queue.workers.fields import BadField, id_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zcore import Context
    from zcore.broker import Event, WorkContext

UNREADABLE = "image/heic"  # of what a server takes for images


def handle(events: Sequence[Event], context: WorkContext) -> list[Rejected]:
    """Make the thumbnails of each image. Rejected are those that zops cannot read."""
    from zops_queue.thumbnails.making import make_thumbnails

    rejected = []
    for event in events:
        try:
            make_thumbnails(id_field(event.payload, "id"), context)
        except BadField as problem:
            rejected.append(Rejected(event, str(problem)))
    return rejected


def ready(context: Context) -> str:
    """Ready when it is known where uploaded files are."""
    if reason := needs_database(context):
        return reason
    try:
        _ = context.files
    except ZopsError as error:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return ""


def partial(context: Context) -> str:
    """Which of a server's images cannot be read here."""
    if not is_rabbitmq(context.settings.broker):
        return ""
    return f"only the server's own worker can read images of the type {UNREADABLE}"
