"""The rules of an export once more, in plain Python over whole tables: what tests compare with.

Written from the description of the server's export, without a look at the SQL of ours. Each set
has the name that the description gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Row = dict[str, Any]
Ids = set[int]

SYSTEM_BOTS = ("notification-bot@zulip.com", "emailgateway@zulip.com", "welcome-bot@zulip.com")
OF_USERS = {
    "zerver_alertword": "user_profile_id",
    "zerver_muteduser": "user_profile_id",
    "zerver_savedsnippet": "user_profile_id",
    "zerver_userpresence": "user_profile_id",
    "zerver_userstatus": "user_profile_id",
    "zerver_usertopic": "user_profile_id",
}


def read_tables(connection: sa.Connection) -> dict[str, list[Row]]:
    """Every row of every table."""
    return {
        name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        for name, table in tables.items()
        if sa.inspect(connection).has_table(name)
    }


@dataclass(frozen=True)
class PlainRules:
    """What an export of the realm has, from `rows` by table. `mode` is P, C or F."""

    rows: dict[str, list[Row]]
    realm_id: int
    mode: str

    def ids(self, table: str, wanted: Callable[[Row], bool]) -> Ids:
        return {row["id"] for row in self.rows[table] if wanted(row)}

    @cached_property
    def users(self) -> Ids:
        """U_all."""
        return self.ids(
            "zerver_userprofile",
            lambda row: row["realm_id"] == self.realm_id and row["email"] not in SYSTEM_BOTS,
        )

    @cached_property
    def dummies(self) -> Ids:
        """U_dummy."""
        return self.users & self.ids("zerver_userprofile", lambda row: row["is_mirror_dummy"])

    @cached_property
    def ordinary(self) -> Ids:
        """U_norm."""
        return self.users - self.dummies

    @cached_property
    def bots(self) -> Ids:
        """X."""
        return self.ids("zerver_userprofile", lambda row: row["email"] in SYSTEM_BOTS)

    @cached_property
    def consenting(self) -> Ids:
        """C."""
        return self.ids(
            "zerver_userprofile",
            lambda row: (
                row["realm_id"] == self.realm_id
                and row["is_active"]
                and not row["is_bot"]
                and row["allow_private_data_export"]
            ),
        )

    @property
    def senders(self) -> Ids:
        """S."""
        return self.users | self.bots

    @cached_property
    def channels(self) -> dict[int, Row]:
        """The channels of the realm."""
        return {
            row["id"]: row for row in self.rows["zerver_stream"] if row["realm_id"] == self.realm_id
        }

    def channel_recipients(self, wanted: Callable[[Row], bool] = lambda row: True) -> Ids:
        return self.ids(
            "zerver_recipient",
            lambda row: (
                row["type"] == 2
                and row["type_id"] in self.channels
                and wanted(self.channels[row["type_id"]])
            ),
        )

    def personal(self, of: Iterable[int]) -> Ids:
        """P(ids)."""
        whose = set(of)
        return self.ids(
            "zerver_recipient", lambda row: row["type"] == 1 and row["type_id"] in whose
        )

    def of_type(self, kind: int) -> Ids:
        return self.ids("zerver_recipient", lambda row: row["type"] == kind)

    def subscribed(self, users: Ids, recipients: Ids) -> Ids:
        """Which of the recipients the users have a subscription to, active or not."""
        return {
            row["recipient_id"]
            for row in self.rows["zerver_subscription"]
            if row["user_profile_id"] in users
        } & recipients

    @cached_property
    def group_recipients(self) -> Ids:
        """(c): of groups with our users, those with nobody of another realm."""
        ours = self.subscribed(self.users, self.of_type(3))
        elsewhere = self.ids("zerver_userprofile", lambda row: row["realm_id"] != self.realm_id)
        return ours - self.subscribed(elsewhere, ours)

    @cached_property
    def base_recipients(self) -> Ids:
        """Rec."""
        return (
            self.subscribed(self.users, self.of_type(1))
            | self.channel_recipients()
            | self.group_recipients
        )

    @cached_property
    def messages(self) -> Ids:
        """The union of the queries of the mode."""
        here = [row for row in self.rows["zerver_message"] if row["realm_id"] == self.realm_id]
        public = self.channel_recipients(lambda channel: not channel["invite_only"])
        if self.mode == "P":
            return self._sent(here, self.senders, public & self.base_recipients)
        if self.mode == "F":
            return self._sent(here, self.senders, self.base_recipients) | self._sent(
                here, self.ordinary, self.personal(self.senders - self.ordinary)
            )
        everything = self.of_type(1) | self.of_type(2) | self.of_type(3)
        seen = self.subscribed(self.consenting, everything)
        protected = self.channel_recipients(
            lambda channel: not channel["history_public_to_subscribers"]
        )
        had = {
            row["message_id"]
            for row in self.rows["zerver_usermessage"]
            if row["user_profile_id"] in self.consenting
        }
        return (
            self._sent(here, self.senders, self.base_recipients & (public | (seen - protected)))
            | (self._sent(here, self.senders, seen & protected) & had)
            | self._sent(here, self.consenting, self.personal(self.senders - self.consenting))
        )

    @staticmethod
    def _sent(messages: list[Row], senders: Ids, recipients: Ids) -> Ids:
        return {
            row["id"]
            for row in messages
            if row["sender_id"] in senders and row["recipient_id"] in recipients
        }

    @cached_property
    def user_messages(self) -> Ids:
        owners = self.ordinary & self.consenting if self.mode == "C" else self.ordinary
        return self.ids(
            "zerver_usermessage",
            lambda row: row["message_id"] in self.messages and row["user_profile_id"] in owners,
        )

    @cached_property
    def scheduled(self) -> Ids:
        senders = {"P": set(), "C": self.consenting, "F": None}[self.mode]
        return self.ids(
            "zerver_scheduledmessage",
            lambda row: (
                row["realm_id"] == self.realm_id
                and (senders is None or row["sender_id"] in senders)
            ),
        )

    @cached_property
    def recipients(self) -> Ids:
        """Rec, and those of our users whom an exported message is to, which the server forgets."""
        named = {
            row["recipient_id"] for row in self.rows["zerver_message"] if row["id"] in self.messages
        }
        return self.base_recipients | (self.personal(self.users) & named)

    @cached_property
    def subscriptions(self) -> Ids:
        """(a), (b), (c), without those of users whom the export does not have."""
        return self.ids(
            "zerver_subscription",
            lambda row: (
                (
                    row["user_profile_id"] in self.users
                    and row["recipient_id"] in self.of_type(1) | self.group_recipients
                )
                or (
                    row["user_profile_id"] in self.senders
                    and row["recipient_id"] in self.channel_recipients()
                )
            ),
        )

    @cached_property
    def attachments(self) -> dict[int, tuple[Ids, Ids]]:
        """By id, the exported messages and scheduled messages that it is linked to."""
        found = {}
        for row in self.rows["zerver_attachment"]:
            links = (
                self._linked(row["id"], "zerver_attachment_messages", "message_id") & self.messages,
                self._linked(
                    row["id"], "zerver_attachment_scheduled_messages", "scheduledmessage_id"
                )
                & self.scheduled,
            )
            mine = row["realm_id"] == self.realm_id and row["owner_id"] in self.senders
            if mine and any(links):
                found[row["id"]] = links
        return found

    def _linked(self, attachment: int, table: str, column: str) -> Ids:
        return {row[column] for row in self.rows[table] if row["attachment_id"] == attachment}

    def expected(self) -> dict[str, Ids]:
        """The ids of the rows under each key of an export that the rules are about."""
        groups = {
            row["type_id"]
            for row in self.rows["zerver_recipient"]
            if row["id"] in self.group_recipients
        }
        found = {
            "zerver_userprofile": self.ordinary,
            "zerver_userprofile_mirrordummy": self.dummies,
            "zerver_userprofile_crossrealm": self.bots,
            "zerver_stream": set(self.channels),
            "zerver_huddle": groups,
            "zerver_recipient": self.recipients,
            "zerver_subscription": self.subscriptions,
            "zerver_message": self.messages,
            "zerver_usermessage": self.user_messages,
            "zerver_scheduledmessage": self.scheduled,
            "zerver_attachment": set(self.attachments),
            "zerver_reaction": self.ids(
                "zerver_reaction",
                lambda row: (
                    row["message_id"] in self.messages and row["user_profile_id"] in self.senders
                ),
            ),
        }
        for table, column in OF_USERS.items():
            found[table] = self.ids(table, lambda row, c=column: row[c] in self.users)
        return found
