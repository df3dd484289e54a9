"""What zops writes otherwise than the server did, on purpose: each place with its reason.

A difference takes the server's rows, in normal form, and gives what zops is to write instead.
Texts of messages and channel descriptions, in zops's own words, are left out of the normal form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zops_realm.normalized_rows import Row, Rows

NAMELESS = "zulipinternal/a group without a name"


@dataclass(frozen=True, slots=True)
class Difference:
    """`instead` changes the server's rows into ours."""

    reason: str
    instead: Callable[[Rows], Rows]


def _without(table: str, column: str, value: str) -> Callable[[Rows], Rows]:
    """Leave out the rows of `table` that have this value."""

    def instead(rows: Rows) -> Rows:
        kept = [row for row in rows.get(table, ()) if row.get(column) != value]
        return rows | {table: kept}

    return instead


def _nameless_groups_left_out(rows: Rows) -> Rows:
    # Their own row says no more than their realm: the realm's groups with a name come first.
    named = {row["usergroup_ptr_id"] for row in rows.get("zerver_namedusergroup", ())}
    internal = [name for name in named if name.startswith("zulipinternal/")]
    groups = [row for row in rows.get("zerver_usergroup", ()) if row["realm_id"] != "zulipinternal"]
    groups = [{"realm_id": "zulipinternal"}] * len(internal) + groups
    return _without("zerver_usergroupmembership", "user_group_id", NAMELESS)(
        rows | {"zerver_usergroup": groups}
    )


def _first_message_is_the_first(rows: Rows) -> Rows:
    def corrected(channel: Row) -> Row:
        place = f"{channel['realm_id']}/{channel['name']}"
        messages = [row for row in rows["zerver_message"] if row["is_channel_message"]]
        first = next(row for row in messages if row["recipient_id"] == f"recipient {place}")
        return channel | {"first_message_id": f"recipient {place} > {first['subject']} #1"}

    return rows | {"zerver_stream": [corrected(row) for row in rows.get("zerver_stream", ())]}


DIFFERENCES = (
    Difference(
        "The server makes a group without a name for each of its twelve messages, and never uses"
        " it.",
        _nameless_groups_left_out,
    ),
    Difference(
        "The server stores a channel's last message as its first: each message carries a stale"
        " copy of the channel.",
        _first_message_is_the_first,
    ),
    Difference(
        "The rows for the full-text search are written by a trigger of a server's database, which"
        " neither the dumps nor databases made by zops have.",
        lambda rows: rows | {"fts_update_log": []},
    ),
)

MADE_BY_ZOPS = Difference(
    "A database that zops made has no list of the server's models yet: the one that links to"
    " unsubscribe need is added.",
    lambda rows: {
        "django_content_type": [{"app_label": "zerver", "model": "userprofile"}],
        **rows,
    },
)


def expected(rows: Rows, *more: Difference) -> Rows:
    """What zops is to write where the server wrote `rows`."""
    for difference in (*DIFFERENCES, *more):
        rows = difference.instead(rows)
    return {table: found for table, found in rows.items() if found}
