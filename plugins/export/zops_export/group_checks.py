"""Direct message groups of which there can be only one: those of the same members.

The server finds a group by a hash of the ids of its members, and an import makes that hash anew:
two groups of the same people would get the same one. Of each group a number is remembered.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zops_export.selection import CHANNEL, GROUP, PERSONAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zops_export.json_rows import JsonRow
    from zops_export.notes import Notes

KINDS = (PERSONAL, CHANNEL, GROUP)
RECIPIENTS, SUBSCRIPTIONS = "zerver_recipient", "zerver_subscription"


class GroupChecks:
    """Takes the rows that say who is in which group."""

    def __init__(self) -> None:
        self._groups: dict[object, object] = {}  # by the number of its recipient
        self._odd: list[JsonRow] = []
        self._members: dict[object, int] = defaultdict(int)

    def take(self, table: str, rows: Sequence[JsonRow]) -> None:
        """Remember what rows of a table say of groups. Rows that are no use are passed over."""
        if table == RECIPIENTS:
            groups = (row for row in rows if row.get("type") == GROUP)
            self._groups.update((_number(row, "id"), row.get("type_id")) for row in groups)
            self._odd += (row for row in rows if row.get("type") not in KINDS)
        elif table == SUBSCRIPTIONS:
            for row in rows:
                # A sum does not depend on the order in which the members come.
                self._members[_number(row, "recipient")] += hash((_number(row, "user_profile"),))

    def check(self, notes: Notes) -> None:
        """Note groups with the members of another one, and recipients that are nothing."""
        for row in self._odd:
            place = f"{RECIPIENTS} {row.get('id')}"
            what = f"{place}: type {row.get('type')!r} is neither a person, a channel nor a group"
            notes.problem("bad-value", what, row=place)
        first: dict[int, object] = {}
        for recipient, group in self._groups.items():
            if (members := self._members.get(recipient)) is None:
                continue
            before = first.setdefault(members, group)
            if before != group:
                place = f"zerver_huddle {group}"
                what = f"{place} has the same members as zerver_huddle {before}"
                notes.problem("duplicate-row", what, row=place)


def _number(row: JsonRow, key: str) -> int | None:
    value = row.get(key)
    return value if isinstance(value, int) else None
