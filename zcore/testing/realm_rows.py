"""Makes the organization that tests work on, row by row: quicker than any command would."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.identifiers import unusable_password
from zcore.internal_realm import ensure_internal_realm
from zcore.organizations.accounts import NewAccount, insert_accounts
from zcore.organizations.audit import AuditEntry, role_counts, write_audit_entries
from zcore.organizations.codes import AuditEvent, BotType, RecipientType, Role
from zcore.organizations.group_settings import channel_group_settings
from zcore.organizations.inserts import insert_returning_id
from zcore.organizations.realms import NewRealm, insert_realm
from zcore.organizations.system_groups import RoleHolder, add_to_role_groups
from zcore.schema import tables
from zcore.testing.realms import SampleChannel, SampleFile, SampleRealm, SampleUser

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zcore.database import Database
    from zcore.organizations.realms import InsertedRealm

BEGAN = datetime(2025, 3, 14, 9, 30, tzinfo=UTC)
FILE_NAME = "plan.txt"
FILE_CONTENT = b"1. write a plugin\n2. test it\n"
READ = 1  # the flag of a user message


def make_realm(
    database: Database, uploads: Path, string_id: str = "acme", name: str = "Acme"
) -> SampleRealm:
    """Write the organization into `database`, and its file into the folder `uploads`.

    `uploads` is what the setting `uploads` names. Other organizations may be there already.
    """
    with database.begin() as connection:
        return RealmRows(connection, uploads, string_id, name).make()


class RealmRows:
    """The rows of one organization, written through `connection`."""

    def __init__(self, connection: sa.Connection, uploads: Path, string_id: str, name: str) -> None:
        self._connection = connection
        self._uploads = uploads
        self._string_id = string_id
        self._name = name
        self._now = BEGAN
        ensure_internal_realm(connection)
        self._realm: InsertedRealm = insert_realm(
            connection, NewRealm(name=name, string_id=string_id, date_created=BEGAN)
        )
        client_id = sa.select(sa.func.min(tables["zerver_client"].c.id))
        self._client_id = int(connection.execute(client_id).scalar_one())

    def make(self) -> SampleRealm:
        """Write everything."""
        owner = self._user("olive", "Olive Owner", Role.OWNER)
        admin = self._user("adam", "Adam Admin", Role.ADMINISTRATOR)
        mia = self._user("mia", "Mia Member", Role.MEMBER)
        mo = self._user("mo", "Mo Member", Role.MEMBER)
        guest = self._user("gus", "Gus Guest", Role.GUEST)
        bot = self._bot("build-bot", "Build Bot", admin)
        public, file = self._public_channel(owner, admin, mia, mo)
        group_id, group_message_ids = self._group(owner, admin, mia)
        return SampleRealm(
            realm_id=self._realm.realm_id,
            string_id=self._string_id,
            name=self._name,
            owner=owner,
            admin=admin,
            members=(mia, mo),
            guest=guest,
            bot=bot,
            public_channel=public,
            private_channel=self._private_channel(owner, admin, mia),
            direct_message_ids=(
                self._direct_message(mia, guest, "Welcome, Gus!"),
                self._direct_message(guest, mia, "Thank you, Mia :+1:"),
                self._direct_message(bot, owner, "The build is **green**."),
            ),
            group_id=group_id,
            group_message_ids=group_message_ids,
            file=file,
        )

    def _insert(self, table: str, **values: object) -> int:
        return insert_returning_id(self._connection, tables[table], values)

    # users

    def _user(self, word: str, full_name: str, role: Role, **settings: object) -> SampleUser:
        account = NewAccount(
            realm_id=self._realm.realm_id,
            delivery_email=f"{word}@{self._string_id or 'root'}.test",
            full_name=full_name,
            password=unusable_password(),
            role=role,
            date_joined=BEGAN,
            settings=settings,
        )
        (made,) = insert_accounts(self._connection, [account])
        holder = RoleHolder(user_id=made.user_id, role=role, since=BEGAN)
        add_to_role_groups(self._connection, self._realm.realm_id, self._realm.groups, [holder])
        self._note(
            AuditEvent.USER_CREATED,
            modified_user_id=made.user_id,
            extra_data=role_counts(self._connection, self._realm.realm_id),
        )
        email = account.delivery_email
        return SampleUser(made.user_id, made.recipient_id, email, full_name, role)

    def _bot(self, word: str, full_name: str, owner: SampleUser) -> SampleUser:
        kind = {"is_bot": True, "bot_type": int(BotType.GENERIC), "bot_owner_id": owner.user_id}
        return self._user(word, full_name, Role.MEMBER, **kind)

    def _note(self, event: AuditEvent, **values: Any) -> None:
        """An entry of the audit log; `values` are columns of it."""
        entry = AuditEntry(
            event_type=event, realm_id=self._realm.realm_id, event_time=BEGAN, **values
        )
        write_audit_entries(self._connection, [entry])

    # channels

    def _public_channel(
        self, owner: SampleUser, admin: SampleUser, mia: SampleUser, mo: SampleUser
    ) -> tuple[SampleChannel, SampleFile]:
        audience = (owner, admin, mia, mo)
        channel_id, recipient_id = self._channel("engineering", audience)
        self._insert("zerver_defaultstream", realm_id=self._realm.realm_id, stream_id=channel_id)
        first = self._message(owner, recipient_id, audience, "Let us begin.", topic="plans")
        file = self._file(mia, recipient_id, audience)
        last = self._message(mo, recipient_id, audience, "Is it *Friday* yet?", topic="lunch")
        for member in (mia, mo):
            self._reaction(member, file.message_id)
        messages = (first, file.message_id, last)
        self._begins_with(channel_id, first)
        topics = ("plans", "lunch")
        return SampleChannel(channel_id, recipient_id, "engineering", topics, messages), file

    def _private_channel(self, *audience: SampleUser) -> SampleChannel:
        channel_id, recipient_id = self._channel(
            "leadership", audience, invite_only=True, history_public_to_subscribers=False
        )
        owner, admin, _ = audience
        texts = ((owner, "We are hiring."), (admin, "At last."))
        messages = tuple(
            self._message(sender, recipient_id, audience, text, topic="people")
            for sender, text in texts
        )
        self._begins_with(channel_id, messages[0])
        return SampleChannel(channel_id, recipient_id, "leadership", ("people",), messages)

    def _channel(
        self, name: str, audience: Sequence[SampleUser], **settings: object
    ) -> tuple[int, int]:
        """A channel with subscribers; its id, and that of its recipient."""
        channel_id = self._insert(
            "zerver_stream",
            name=name,
            realm_id=self._realm.realm_id,
            creator_id=audience[0].user_id,
            date_created=BEGAN,
            description=f"About {name}.",
            rendered_description=f"<p>About {name}.</p>",
            **channel_group_settings(self._realm.groups),
            **settings,
        )
        self._note(AuditEvent.CHANNEL_CREATED, modified_stream_id=channel_id)
        recipient_id = self._recipient("zerver_stream", channel_id, RecipientType.CHANNEL)
        self._subscribe(recipient_id, audience)
        return channel_id, recipient_id

    def _recipient(self, table: str, type_id: int, kind: RecipientType) -> int:
        recipient_id = self._insert("zerver_recipient", type=int(kind), type_id=type_id)
        rows = tables[table]
        update = sa.update(rows).where(rows.c.id == type_id).values(recipient_id=recipient_id)
        self._connection.execute(update)
        return recipient_id

    def _subscribe(self, recipient_id: int, audience: Sequence[SampleUser]) -> None:
        rows = [
            {"user_profile_id": user.user_id, "recipient_id": recipient_id, "is_user_active": True}
            for user in audience
        ]
        self._connection.execute(sa.insert(tables["zerver_subscription"]), rows)

    def _begins_with(self, channel_id: int, message_id: int) -> None:
        channels = tables["zerver_stream"]
        update = sa.update(channels).where(channels.c.id == channel_id)
        self._connection.execute(update.values(first_message_id=message_id))

    def _group(self, *audience: SampleUser) -> tuple[int, tuple[int, ...]]:
        """A direct message group, and two messages in it."""
        numbers = ",".join(str(user.user_id) for user in audience)
        digest = hashlib.sha1(numbers.encode(), usedforsecurity=False).hexdigest()
        group_id = self._insert("zerver_huddle", huddle_hash=digest, group_size=len(audience))
        recipient_id = self._recipient(
            "zerver_huddle", group_id, RecipientType.DIRECT_MESSAGE_GROUP
        )
        self._subscribe(recipient_id, audience)
        question = self._message(audience[2], recipient_id, audience, "A word, please?")
        answer = self._message(
            audience[0], recipient_id, audience, f"Gladly, @**{audience[2].full_name}**."
        )
        return group_id, (question, answer)

    # messages

    def _message(
        self,
        sender: SampleUser,
        recipient_id: int,
        audience: Sequence[SampleUser],
        text: str,
        *,
        topic: str = "",
        **flags: object,
    ) -> int:
        """A message, a minute after the one before, that all of `audience` have read."""
        self._now += timedelta(minutes=1)
        message_id = self._insert(
            "zerver_message",
            realm_id=self._realm.realm_id,
            sender_id=sender.user_id,
            recipient_id=recipient_id,
            sending_client_id=self._client_id,
            is_channel_message=bool(topic),
            subject=topic,
            content=text,
            rendered_content=f"<p>{text}</p>",
            rendered_content_version=1,
            date_sent=self._now,
            **flags,
        )
        rows = [
            {"user_profile_id": user.user_id, "message_id": message_id, "flags": READ}
            for user in audience
        ]
        self._connection.execute(sa.insert(tables["zerver_usermessage"]), rows)
        return message_id

    def _direct_message(self, sender: SampleUser, to: SampleUser, text: str) -> int:
        return self._message(sender, to.recipient_id, (sender, to), text)

    def _reaction(self, user: SampleUser, message_id: int) -> None:
        self._insert(
            "zerver_reaction",
            user_profile_id=user.user_id,
            message_id=message_id,
            emoji_name="thumbs_up",
            emoji_code="1f44d",
            reaction_type="unicode_emoji",
        )

    def _file(
        self, owner: SampleUser, recipient_id: int, audience: Sequence[SampleUser]
    ) -> SampleFile:
        """An uploaded file, and the message that links to it."""
        path_id = f"{self._realm.realm_id}/1a/Zm9yIHRlc3RzIG9mIHBs/{FILE_NAME}"
        text = f"Here it is: [{FILE_NAME}](/user_uploads/{path_id})"
        message_id = self._message(
            owner, recipient_id, audience, text, topic="plans", has_attachment=True, has_link=True
        )
        attachment_id = self._insert(
            "zerver_attachment",
            realm_id=self._realm.realm_id,
            owner_id=owner.user_id,
            file_name=FILE_NAME,
            path_id=path_id,
            create_time=self._now,
            size=len(FILE_CONTENT),
            content_type="text/plain",
            is_realm_public=True,
        )
        self._insert(
            "zerver_attachment_messages", attachment_id=attachment_id, message_id=message_id
        )
        path = self._uploads / "files" / path_id
        path.parent.mkdir(parents=True)
        path.write_bytes(FILE_CONTENT)
        return SampleFile(attachment_id, message_id, path_id, FILE_NAME, FILE_CONTENT)
