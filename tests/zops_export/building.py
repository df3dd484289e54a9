"""Building organizations row by row, each thing under a name, and reading exports by those names.

Messages and scheduled messages have their name as content, attachments as file name, reactions as
emoji. A recipient is called as whom it leads to: a user `ann`, a channel `#town`, a group `{trio}`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from zcore.internal_realm import ensure_internal_realm
from zcore.organizations.accounts import NewAccount, insert_accounts
from zcore.organizations.codes import Role
from zcore.organizations.group_settings import channel_group_settings
from zcore.organizations.inserts import insert_returning_id, insert_rows
from zcore.organizations.realms import InsertedRealm, NewRealm, insert_realm
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.interop.reading import Row, WholeExport

ABOUT_EXPORTS = ("zerver_realmexport", "zerver_realmauditlog")  # each export writes more of them
NOW = datetime(2025, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
PERSONAL, CHANNEL, GROUP = 1, 2, 3
SYSTEM_BOTS = ("emailgateway", "notification-bot", "welcome-bot", "nagios-send-bot")


class Builder:
    """Writes rows through `connection`, and remembers the id of what has a name."""

    def __init__(self, connection: sa.Connection, uploads: Path) -> None:
        self.connection = connection
        self._uploads = uploads
        self.ids: dict[str, dict[str, int]] = defaultdict(dict)
        self._realms: dict[str, InsertedRealm] = {}
        self._realm_of: dict[str, str] = {}
        bots = ensure_internal_realm(connection).bot_ids
        for name in SYSTEM_BOTS:
            user_id = bots[f"{name}@zulip.com"]
            self.ids["users"][name] = user_id
            self.ids["recipients"][name] = self._recipient_of(user_id)

    def on(self, connection: sa.Connection) -> Self:
        """Go on in another transaction. Returns itself."""
        self.connection = connection
        return self

    def insert(self, table: str, **values: object) -> int:
        """One row, with the `id` given or a new one; its id."""
        if isinstance(given := values.get("id"), int):
            insert_rows(self.connection, tables[table], [values])
            return given
        return insert_returning_id(self.connection, tables[table], values)

    def execute(self, statement: sa.Executable) -> None:
        """Any other change."""
        self.connection.execute(statement)

    def _recipient_of(self, user_id: int) -> int:
        recipients = tables["zerver_recipient"].c
        query = sa.select(recipients.id).where(
            recipients.type == PERSONAL, recipients.type_id == user_id
        )
        return self.connection.execute(query).scalar_one()

    def realm(self, name: str) -> InsertedRealm:
        """A realm with what every realm has, but no users."""
        new = NewRealm(name=name, string_id=name, date_created=NOW)
        self._realms[name] = insert_realm(self.connection, new)
        self.ids["realms"][name] = self._realms[name].realm_id
        return self._realms[name]

    def user(
        self,
        name: str,
        realm: str,
        *,
        email: str | None = None,
        subscribed: bool = True,
        role: int = Role.MEMBER,
        **settings: object,
    ) -> int:
        """A user; `subscribed=False`: without the subscription that direct messages go by."""
        account = NewAccount(
            realm_id=self.ids["realms"][realm],
            delivery_email=email or f"{name}@{realm}.test",
            full_name=name,
            password="!",  # noqa: S106  # nobody can log in with it
            role=Role(role),
            date_joined=NOW,
            settings=settings,
        )
        (inserted,) = insert_accounts(self.connection, [account])
        user_id = inserted.user_id
        self.ids["users"][name] = user_id
        self.ids["recipients"][name] = self._recipient_of(user_id)
        self._realm_of[name] = realm
        if not subscribed:
            subscriptions = tables["zerver_subscription"]
            self.execute(sa.delete(subscriptions).where(subscriptions.c.user_profile_id == user_id))
        return user_id

    def channel(self, name: str, realm: str, **settings: object) -> int:
        """A channel, public with public history unless `settings` say otherwise."""
        channel_id = self.insert(
            "zerver_stream",
            name=name,
            realm_id=self.ids["realms"][realm],
            date_created=NOW,
            description="",
            **channel_group_settings(self._realms[realm].groups),
            **settings,
        )
        self.ids["channels"][name] = channel_id
        self._recipient(f"#{name}", CHANNEL, channel_id)
        return channel_id

    def group(self, name: str, *members: str) -> int:
        """A direct message group."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:40]
        group_id = self.insert("zerver_huddle", huddle_hash=digest, group_size=len(members))
        self.ids["groups"][name] = group_id
        self._recipient(f"{{{name}}}", GROUP, group_id)
        self.subscribe(f"{{{name}}}", *members)
        return group_id

    def _recipient(self, name: str, kind: int, type_id: int) -> None:
        self.ids["recipients"][name] = self.insert("zerver_recipient", type=kind, type_id=type_id)

    def subscribe(self, recipient: str, *users: str, active: bool = True) -> None:
        """Subscriptions; not `active`: ended ones."""
        for user in users:
            self.insert(
                "zerver_subscription",
                user_profile_id=self.ids["users"][user],
                recipient_id=self.ids["recipients"][recipient],
                active=active,
                is_user_active=True,
            )

    def message(
        self,
        name: str,
        sender: str,
        to: str,
        had: Iterable[str] = (),
        *,
        realm: str,
        **values: object,
    ) -> int:
        """A message in `realm`; those who `had` it have a user message of it."""
        self.ids["messages"][name] = message_id = self.insert(
            "zerver_message",
            **{
                "realm_id": self.ids["realms"][realm],
                "sender_id": self.ids["users"][sender],
                "recipient_id": self.ids["recipients"][to],
                "sending_client_id": self.client_id,
                "is_channel_message": to.startswith("#"),
                "subject": "",
                "content": name,
                "date_sent": NOW,
                **values,
            },
        )
        for user in had:
            self.insert(
                "zerver_usermessage",
                user_profile_id=self.ids["users"][user],
                message_id=message_id,
                flags=1,
            )
        return message_id

    @cached_property
    def client_id(self) -> int:
        """One of the clients."""
        query = sa.select(sa.func.min(tables["zerver_client"].c.id))
        return int(self.connection.execute(query).scalar_one())

    def scheduled(self, name: str, sender: str, to: str) -> int:
        """A message yet to be sent."""
        self.ids["scheduled"][name] = self.insert(
            "zerver_scheduledmessage",
            realm_id=self.ids["realms"][self._realm_of[sender]],
            sender_id=self.ids["users"][sender],
            recipient_id=self.ids["recipients"][to],
            sending_client_id=self.client_id,
            subject="",
            content=name,
            rendered_content=name,
            scheduled_timestamp=NOW,
            read_by_sender=True,
        )
        return self.ids["scheduled"][name]

    def reaction(self, name: str, user: str, message: str) -> None:
        """A reaction to a message."""
        self.insert(
            "zerver_reaction",
            user_profile_id=self.ids["users"][user],
            message_id=self.ids["messages"][message],
            emoji_name=name,
            emoji_code="1f44d",
            reaction_type="unicode_emoji",
        )

    def attachment(
        self,
        name: str,
        owner: str,
        messages: Iterable[str] = (),
        scheduled: Iterable[str] = (),
        **values: object,
    ) -> int:
        """An uploaded file, stored, with links in the order that is given."""
        realm_id = self.ids["realms"][self._realm_of[owner]]
        path_id = f"{realm_id}/ab/{name}/{name}.txt"
        attachment_id = self.insert(
            "zerver_attachment",
            **{
                "realm_id": realm_id,
                "owner_id": self.ids["users"][owner],
                "file_name": name,
                "path_id": path_id,
                "create_time": NOW,
                "size": len(name),
                **values,
            },
        )
        for message in messages:
            self.insert(
                "zerver_attachment_messages",
                attachment_id=attachment_id,
                message_id=self.ids["messages"][message],
            )
        for message in scheduled:
            self.insert(
                "zerver_attachment_scheduled_messages",
                attachment_id=attachment_id,
                scheduledmessage_id=self.ids["scheduled"][message],
            )
        file = self._uploads / "files" / path_id
        file.parent.mkdir(parents=True)
        file.write_text(name)
        return attachment_id


class Named:
    """What is in an export, by the names that its builder gave. Repeated rows show as repeated."""

    def __init__(self, export: WholeExport, ids: dict[str, dict[str, int]]) -> None:
        self.export = export
        self._names = {
            kind: {number: name for name, number in named.items()} for kind, named in ids.items()
        }

    def name(self, kind: str, number: Any) -> str:
        """The name of a row by its id; the id where it has none."""
        return self._names[kind].get(number, f"{kind} {number}")

    def names(self, kind: str, table: str) -> list[str]:
        """The names of all rows of a table, by their ids."""
        return sorted(self.name(kind, row["id"]) for row in self.rows(table))

    def rows(self, table: str) -> list[Row]:
        """The rows under one key of the export."""
        return self.export.tables.get(table, [])

    def subscriptions(self) -> list[str]:
        """Who has a subscription to whom: `ann to #town`."""
        return sorted(
            f"{self.name('users', row['user_profile'])} to"
            f" {self.name('recipients', row['recipient'])}"
            for row in self.rows("zerver_subscription")
        )

    def user_messages(self) -> list[str]:
        """Who has what: `ann has hello`."""
        return sorted(
            f"{self.name('users', row['user_profile'])} has {self.name('messages', row['message'])}"
            for row in self.rows("zerver_usermessage")
        )

    def attachments(self) -> dict[str, list[str]]:
        """By attachment, in their order, the messages and scheduled messages that it lists."""
        return {
            row["file_name"]: [
                *(self.name("messages", one) for one in row["messages"]),
                *(self.name("scheduled", one) for one in row["scheduled_messages"]),
            ]
            for row in self.rows("zerver_attachment")
        }
