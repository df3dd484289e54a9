"""Rows that are decoded into structs: messages and user messages, of which there are most.

A block with a row that does not fit comes as it is: see `read_blocks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from zops_export.json_rows import JsonRow, Kinds, TypedRows

MESSAGES = "zerver_message"
USER_MESSAGES = "zerver_usermessage"


class _Identified(msgspec.Struct, gc=False):
    """A row of which nothing is read but its id."""

    id: int


class _Counted(msgspec.Struct, gc=False):
    """A row of which nothing is read but that it is there."""


class UserMessage(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Who has which message."""

    id: int
    user_profile: int
    message: int
    flags_mask: int


FIRST_READING: Kinds = {
    MESSAGES: msgspec.json.Decoder(list[_Identified]),
    USER_MESSAGES: msgspec.json.Decoder(list[_Counted]),
}
SECOND_READING: Kinds = {USER_MESSAGES: msgspec.json.Decoder(list[UserMessage])}


def plain(block: TypedRows) -> list[JsonRow]:
    """The rows as they stand in the file, as long as their struct knows every key."""
    return [msgspec.structs.asdict(row) for row in block.rows]
