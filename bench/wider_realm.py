"""More users and channels for a realm that is made for measuring: copies of those that it has.

The copies are as real rows are, with every row that belongs to them: recipient, subscriptions,
memberships. They have no files of their own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

Row = dict[str, object]
Tables = dict[str, list[Row]]

PERSONAL, CHANNEL = 1, 2


@dataclass(frozen=True, slots=True)
class Audience:
    """A channel that was added: its recipient, and who is subscribed to it."""

    recipient: int
    users: tuple[int, ...]


@dataclass(slots=True)
class Audiences:
    """The channels that were added, by the recipient of the channel that each is a copy of."""

    by_recipient: dict[int, list[Audience]] = field(default_factory=lambda: defaultdict(list))

    def choose(self, recipient: int, dice: random.Random) -> Audience | None:
        """Where a copy of a message to `recipient` goes; None: to the same channel."""
        copies = self.by_recipient.get(recipient)
        place = dice.randrange(len(copies) + 1) if copies else 0
        return copies[place - 1] if copies and place else None


class WiderRealm:
    """Adds to the tables of a `realm.json`, in place."""

    def __init__(self, tables: Tables, dice: random.Random) -> None:
        self._tables = tables
        self._dice = dice
        self._ids: dict[str, Iterator[int]] = {}

    def add_users(self, wanted: int) -> None:
        """Copies of the people in turn, until there are `wanted` users."""
        users = self._tables["zerver_userprofile"]
        people = [row for row in users if not row["is_bot"] and row["is_active"]]
        memberships = _by_key(self._tables["zerver_usergroupmembership"], "user_profile")
        subscriptions = _by_key(self._tables["zerver_subscription"], "recipient")
        for number in range(len(users), wanted):
            model = people[number % len(people)]
            user = self._next("zerver_userprofile")
            recipient = self._recipient(PERSONAL, user)
            email = f"copy{number:06d}@realm.example.test"
            users.append(
                model
                | {"id": user, "recipient": recipient, "email": email, "delivery_email": email}
                | {"full_name": f"{model['full_name']} {number}", "avatar_source": "G"}
            )
            for row in subscriptions[model["recipient"]]:
                self._add(
                    "zerver_subscription", row | {"recipient": recipient, "user_profile": user}
                )
            for row in memberships[model["id"]]:
                self._add("zerver_usergroupmembership", row | {"user_profile": user})

    def add_channels(self, wanted: int, subscribers: int) -> Audiences:
        """Copies of the channels in turn, each with `subscribers` people chosen by chance."""
        channels = self._tables["zerver_stream"]
        models = list(channels)
        people = [row["id"] for row in self._tables["zerver_userprofile"] if not row["is_bot"]]
        subscriptions = _by_key(self._tables["zerver_subscription"], "recipient")
        audiences = Audiences()
        for number in range(len(channels), wanted):
            model = models[number % len(models)]
            channel = self._next("zerver_stream")
            recipient = self._recipient(CHANNEL, channel)
            name = f"{model['name']} {number}"
            channels.append(
                model
                | {"id": channel, "recipient": recipient, "name": name, "first_message_id": None}
            )
            users = sorted(self._dice.sample(people, min(subscribers, len(people))))
            like = subscriptions[model["recipient"]] or self._tables["zerver_subscription"][:1]
            for place, user in enumerate(users):
                row = like[place % len(like)] | {"active": True}
                self._add(
                    "zerver_subscription", row | {"recipient": recipient, "user_profile": user}
                )
            audiences.by_recipient[model["recipient"]].append(Audience(recipient, tuple(users)))
        return audiences

    def _recipient(self, kind: int, owner: int) -> int:
        return self._add("zerver_recipient", {"id": 0, "type_id": owner, "type": kind})

    def _add(self, table: str, row: Row) -> int:
        ident = self._next(table)
        self._tables[table].append(row | {"id": ident})
        return ident

    def _next(self, table: str) -> int:
        if table not in self._ids:
            self._ids[table] = count(1 + max(row["id"] for row in self._tables[table]))
        return next(self._ids[table])


def _by_key(rows: list[Row], key: str) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found
