"""Messages that show an image: what they show is changed, also of those that were deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema.files import zerver_attachment, zerver_attachment_messages
from zcore.schema.messages import zerver_message, zerver_usermessage
from zops_queue.clients import tell_clients

if TYPE_CHECKING:
    from zcore.broker import WorkContext
    from zops_queue.thumbnails.formats import Picture

# The flags of a user message that clients know, from the lowest bit on
FLAGS = (
    "read",
    "starred",
    "collapsed",
    "mentioned",
    "stream_wildcard_mentioned",
    "topic_wildcard_mentioned",
    "group_mentioned",
    "force_expand",
    "force_collapse",
    "has_alert_word",
    "historical",
)
# Deleted messages that can still be restored; only a server's database has these tables
_archived = sa.table(
    "zerver_archivedmessage", *map(sa.column, ("id", "realm_id", "rendered_content"))
)
_archived_attachments = sa.table("zerver_archivedattachment", *map(sa.column, ("id", "path_id")))
_archived_links = sa.table(
    "zerver_archivedattachment_messages",
    *map(sa.column, ("archivedattachment_id", "archivedmessage_id")),
)

Rewrite = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Rerendered:
    """A message whose HTML is another one now."""

    id: int
    content: str
    rendered: str


def rewrite_messages(
    connection: sa.Connection, picture: Picture, rewrite: Rewrite
) -> list[Rerendered]:
    """Change the HTML of messages with the picture; `rewrite` gives None for what stays.

    Returns those that people can see, in order of their ids.
    """
    files, links, messages = zerver_attachment.c, zerver_attachment_messages.c, zerver_message.c
    having = sa.select(links.message_id).where(
        links.attachment_id == files.id, files.path_id == picture.path_id
    )
    chosen = sa.select(messages.id, messages.content, messages.rendered_content).where(
        messages.realm_id == picture.realm_id, messages.id.in_(having)
    )
    locked = chosen.order_by(messages.id).with_for_update(key_share=True)
    changed = [
        Rerendered(row.id, row.content, new)
        for row in connection.execute(locked).all()
        if (new := rewrite(row.rendered_content or "")) is not None
    ]
    for each in changed:
        update = sa.update(zerver_message).where(messages.id == each.id)
        connection.execute(update.values(rendered_content=each.rendered))
    _rewrite_archived(connection, picture, rewrite)
    return changed


def _rewrite_archived(connection: sa.Connection, picture: Picture, rewrite: Rewrite) -> None:
    if not sa.inspect(connection).has_table(_archived.name):
        return
    having = sa.select(_archived_links.c.archivedmessage_id).where(
        _archived_links.c.archivedattachment_id == _archived_attachments.c.id,
        _archived_attachments.c.path_id == picture.path_id,
    )
    chosen = sa.select(_archived.c.id, _archived.c.rendered_content).where(
        _archived.c.realm_id == picture.realm_id, _archived.c.id.in_(having)
    )
    for row in connection.execute(chosen.with_for_update(key_share=True)).all():
        if (new := rewrite(row.rendered_content or "")) is not None:
            update = sa.update(_archived).where(_archived.c.id == row.id)
            connection.execute(update.values(rendered_content=new))


def tell_of_messages(
    work: WorkContext, connection: sa.Connection, string_id: str, changed: list[Rerendered]
) -> None:
    """Have clients show the messages as they are now, without calling them edited."""
    mine = zerver_usermessage.c
    for message in changed:
        event = {
            "type": "update_message",
            "user_id": None,
            "edit_timestamp": int(work.clock().timestamp()),
            "message_id": message.id,
            "message_ids": [message.id],
            "content": message.content,
            "rendered_content": message.rendered,
            "rendering_only": True,
        }
        chosen = sa.select(mine.user_profile_id, mine.flags).where(mine.message_id == message.id)
        rows = connection.execute(chosen.order_by(mine.user_profile_id))
        tell_clients(work, string_id, event, list(_receivers(rows)))


def _receivers(rows: sa.CursorResult[Any]) -> Iterator[dict[str, object]]:
    for row in rows:
        names = [name for bit, name in enumerate(FLAGS) if row.flags >> bit & 1]
        yield {"id": row.user_profile_id, "flags": names}
