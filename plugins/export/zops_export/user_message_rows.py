"""User messages on their way into the database: nine of ten rows, and all of one simple form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zops_export.id_maps import IdMap
    from zops_export.json_rows import TypedRows
    from zops_export.row_kinds import UserMessage

COLUMNS = ("user_profile_id", "message_id", "flags")


def converted_at_once(
    block: TypedRows, ids: Mapping[str, IdMap]
) -> list[tuple[object, ...]] | None:
    """The values for `COLUMNS` of a whole block of user messages.

    None when one of them leads nowhere: row by row, `RowConverter` finds out which.
    """
    rows: Sequence[UserMessage] = block.rows  # type: ignore[assignment]  # see SECOND_READING
    find_user, find_message = ids["zerver_userprofile"].get, ids["zerver_message"].get
    users = {old: find_user(old) for old in {row.user_profile for row in rows}}
    messages = {old: find_message(old) for old in {row.message for row in rows}}
    if None in users.values() or None in messages.values():
        return None
    return [(users[row.user_profile], messages[row.message], row.flags_mask) for row in rows]
