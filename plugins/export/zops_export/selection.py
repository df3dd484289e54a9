"""Which rows belong to an export: the server's rules, as SQL.

The names are those of the rules: U are the realm's users without the system bots (which live in a
realm of their own), S everybody who may have sent a message, X the system bots.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.frozen import frozen
from zcore.schema import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SYSTEM_BOT_EMAILS = (
    "emailgateway@zulip.com",
    "notification-bot@zulip.com",
    "welcome-bot@zulip.com",
)
SYSTEM_BOT_REALM = "zulipinternal"
PERSONAL, CHANNEL, GROUP = 1, 2, 3

# Tables that belong to users; the other ones with a realm_id belong to the realm.
BY_USER = {
    "zerver_service": "user_profile_id",
    "zerver_botstoragedata": "bot_profile_id",
    "zerver_botconfigdata": "bot_profile_id",
    "zerver_alertword": "user_profile_id",
    "zerver_customprofilefieldvalue": "user_profile_id",
    "zerver_muteduser": "user_profile_id",
    "zerver_onboardingstep": "user_id",
    "zerver_savedsnippet": "user_profile_id",
    "zerver_useractivity": "user_profile_id",
    "zerver_useractivityinterval": "user_profile_id",
    "zerver_userpresence": "user_profile_id",
    "zerver_userstatus": "user_profile_id",
    "zerver_usertopic": "user_profile_id",
}

# Tables whose rows belong to something else than the user whom they name, who may be of another
# organization: nobody that an export has. The server exports such rows, leading nowhere.
OF_ANY_USER = {
    "zerver_attachment": "owner_id",
    "zerver_muteduser": "muted_user_id",
    "zerver_reaction": "user_profile_id",
    "zerver_subscription": "user_profile_id",
    "zerver_usergroupmembership": "user_profile_id",
}

Condition = sa.ColumnElement[bool]
Ids = sa.Select[int]

users = tables["zerver_userprofile"]
channels = tables["zerver_stream"]
recipients = tables["zerver_recipient"]
groups = tables["zerver_huddle"]
subscriptions = tables["zerver_subscription"]
messages = tables["zerver_message"]
user_messages = tables["zerver_usermessage"]
attachments = tables["zerver_attachment"]


class Mode(enum.Enum):
    """How much of the messages an export takes; the values are the server's numbers."""

    PUBLIC = 1
    CONSENT = 2
    FULL = 3

    @property
    def label(self) -> str:
        """The mode's word in reports."""
        return {1: "public", 2: "full with consent", 3: "full"}[self.value]


@frozen
class SystemBot:
    """A bot that posts in every realm: its usual address, its id and recipient on this server."""

    email: str
    user_id: int
    recipient_id: int


@frozen
class Selection:
    """The rows of one realm in one mode. Every method yields a condition or a query, no rows.

    `conditions` by table are what plugins want besides: other rows of the table are left out.
    `dummy` says which users are mirror dummies in the export, if not those that are ones here.
    """

    realm_id: int
    mode: Mode
    bots: tuple[SystemBot, ...]
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    dummy: Condition = users.c.is_mirror_dummy

    def where(self, table: sa.Table) -> Condition:
        """The rows of `table` that an export carries (of users: all, see `users_where`)."""
        return sa.and_(self._by_rule(table), self._wanted(table), self._leads_to_users(table))

    def _wanted(self, table: sa.Table) -> Condition:
        return self.conditions.get(table.name, sa.true())

    def _leads_to_users(self, table: sa.Table) -> Condition:
        """No row of a user whom no export of this realm has: it would lead to nobody."""
        if table.name not in OF_ANY_USER:
            return sa.true()
        user = table.c[OF_ANY_USER[table.name]]
        here = _user_ids(self._is_here())
        return sa.or_(user.in_(here), user.in_(self._bot_ids()))

    def _by_rule(self, table: sa.Table) -> Condition:
        if table.name in BY_USER:
            return table.c[BY_USER[table.name]].in_(self.user_ids())
        special: dict[str, Callable[[], Condition]] = {
            "zerver_realm": lambda: table.c.id == self.realm_id,
            "zerver_client": lambda: sa.true(),
            "zerver_userprofile": self.users_where,
            "zerver_scheduledmessage": self._scheduled_messages,
            "zerver_huddle": lambda: table.c.id.in_(self._kept_groups(recipients.c.type_id)),
            "zerver_recipient": self.recipient_condition,
            "zerver_subscription": self._subscriptions,
            "zerver_message": self.message_condition,
            "zerver_usermessage": self._user_messages,
            "zerver_reaction": lambda: table.c.message_id.in_(self.message_ids()),
            "zerver_attachment": self._attachments,
            "zerver_usergroupmembership": lambda: table.c.user_group_id.in_(self._group_ids()),
            "zerver_groupgroupmembership": lambda: table.c.supergroup_id.in_(self._group_ids()),
        }
        if table.name in special:
            return special[table.name]()
        realm: Condition = table.c.realm_id == self.realm_id
        return realm

    # Users

    def users_where(self, *, dummies: bool | None = None) -> Condition:
        """U; only who is a mirror dummy in the export, or only the others, when asked."""
        mine = sa.and_(self._is_here(), self._wanted(users))
        if dummies is None:
            return mine
        return sa.and_(mine, self.dummy if dummies else sa.not_(self.dummy))

    def _is_here(self) -> Condition:
        return sa.and_(users.c.realm_id == self.realm_id, users.c.email.not_in(SYSTEM_BOT_EMAILS))

    def user_ids(self, *, dummies: bool | None = None) -> Ids:
        """The ids of `users_where`."""
        return _user_ids(self.users_where(dummies=dummies))

    def consenting_ids(self) -> Ids:
        """Active humans who let their private data be exported."""
        return _user_ids(
            users.c.realm_id == self.realm_id,
            users.c.is_active,
            sa.not_(users.c.is_bot),
            users.c.allow_private_data_export,
            self._wanted(users),
        )

    def _bot_ids(self) -> list[int]:
        return [bot.user_id for bot in self.bots]

    def _sender(self) -> Condition:
        return sa.or_(
            messages.c.sender_id.in_(self.user_ids()), messages.c.sender_id.in_(self._bot_ids())
        )

    # Recipients and subscriptions

    def _channel_recipients(self, *conditions: Condition) -> Ids:
        mine = sa.and_(channels.c.realm_id == self.realm_id, self._wanted(channels))
        found = sa.select(channels.c.id).where(mine, *conditions)
        return sa.select(recipients.c.id).where(
            recipients.c.type == CHANNEL, recipients.c.type_id.in_(found)
        )

    def _subscribed_personal(self) -> Ids:
        """Recipients of direct messages to those users who have the subscription for it."""
        return (
            sa.select(recipients.c.id)
            .join(subscriptions, subscriptions.c.recipient_id == recipients.c.id)
            .where(
                recipients.c.type == PERSONAL, subscriptions.c.user_profile_id.in_(self.user_ids())
            )
        )

    def _kept_groups(self, column: sa.ColumnElement[Any]) -> Ids:
        """Direct message groups with users of this realm and of no other."""
        mine = sa.select(subscriptions.c.recipient_id).where(
            subscriptions.c.user_profile_id.in_(self.user_ids())
        )
        foreign = (
            sa.select(subscriptions.c.recipient_id)
            .join(users, users.c.id == subscriptions.c.user_profile_id)
            .join(recipients, recipients.c.id == subscriptions.c.recipient_id)
            .where(users.c.realm_id != self.realm_id, recipients.c.type == GROUP)
        )
        kept = sa.and_(_looked_up(recipients.c.id.in_(mine)), recipients.c.id.not_in(foreign))
        if groups.name in self.conditions:
            wanted = sa.select(groups.c.id).where(self._wanted(groups))
            kept = sa.and_(kept, recipients.c.type_id.in_(wanted))
        return sa.select(column).where(recipients.c.type == GROUP, kept)

    def _base_recipients(self) -> Condition:
        """The recipients that the server's own export knows."""
        return sa.or_(
            recipients.c.id.in_(self._subscribed_personal()),
            recipients.c.id.in_(self._channel_recipients()),
            recipients.c.id.in_(self._kept_groups(recipients.c.id)),
        )

    def recipient_condition(self) -> Condition:
        """The recipients, and those users' that an exported message names though they have no
        subscription (their account was deleted, their messages were kept): without them the
        server's export leaves such messages pointing at nothing.
        """
        unsubscribed = sa.select(recipients.c.id).where(
            recipients.c.type == PERSONAL,
            recipients.c.type_id.in_(self.user_ids()),
            recipients.c.id.not_in(self._subscribed_personal()),
        )
        # Only messages to these few are looked at, not all messages for each recipient.
        named = sa.select(messages.c.recipient_id).where(
            messages.c.recipient_id.in_(unsubscribed), self.message_condition()
        )
        return sa.or_(self._base_recipients(), recipients.c.id.in_(named))

    def _subscriptions(self) -> Condition:
        recipient = subscriptions.c.recipient_id
        personal = sa.select(recipients.c.id).where(recipients.c.type == PERSONAL)
        of_users = sa.or_(
            recipient.in_(personal), recipient.in_(self._kept_groups(recipients.c.id))
        )
        return sa.or_(
            sa.and_(subscriptions.c.user_profile_id.in_(self.user_ids()), of_users),
            recipient.in_(self._channel_recipients()),
        )

    def _group_ids(self) -> Ids:
        user_groups = tables["zerver_usergroup"]
        return sa.select(user_groups.c.id).where(self.where(user_groups))

    # Messages

    def message_ids(self) -> Ids:
        """The ids of all exported messages."""
        return sa.select(messages.c.id).where(self.message_condition())

    def message_condition(self) -> Condition:
        """The exported messages. Where the server's queries overlap, a message counts once."""
        chosen = {
            Mode.PUBLIC: self._public_messages,
            Mode.CONSENT: self._messages_with_consent,
            Mode.FULL: self._all_messages,
        }[self.mode]
        return sa.and_(messages.c.realm_id == self.realm_id, chosen(), self._wanted(messages))

    def _public_messages(self) -> Condition:
        public = self._channel_recipients(sa.not_(channels.c.invite_only))
        return sa.and_(self._sender(), messages.c.recipient_id.in_(public))

    def _all_messages(self) -> Condition:
        known = sa.select(recipients.c.id).where(self._base_recipients())
        to_dummies = self._personal_of(
            sa.or_(
                recipients.c.type_id.in_(self._senders(dummies=True)),
                recipients.c.type_id.in_(self._bot_ids()),
            )
        )
        ordinary = messages.c.sender_id.in_(self._senders(dummies=False))
        return sa.or_(
            sa.and_(self._sender(), messages.c.recipient_id.in_(known)),
            sa.and_(ordinary, messages.c.recipient_id.in_(to_dummies)),
        )

    def _senders(self, *, dummies: bool) -> Ids:
        """Dummies, or the others: as it was when they wrote, whatever becomes of them."""
        return self.user_ids().where(users.c.is_mirror_dummy.is_(dummies))

    def _messages_with_consent(self) -> Condition:
        consenting = self.consenting_ids()
        recipient = messages.c.recipient_id
        known = sa.select(recipients.c.id).where(self._base_recipients())
        public = self._channel_recipients(sa.not_(channels.c.invite_only))
        protected = self._channel_recipients(sa.not_(channels.c.history_public_to_subscribers))
        seen_by = sa.select(subscriptions.c.recipient_id).where(
            subscriptions.c.user_profile_id.in_(consenting)
        )
        others = self._personal_of(
            sa.or_(
                sa.and_(
                    recipients.c.type_id.in_(self.user_ids()),
                    recipients.c.type_id.not_in(consenting),
                ),
                recipients.c.type_id.in_(self._bot_ids()),
            )
        )
        open_history = sa.or_(
            recipient.in_(public), sa.and_(recipient.in_(seen_by), recipient.not_in(protected))
        )
        return sa.or_(
            sa.and_(self._sender(), recipient.in_(known), open_history),
            sa.and_(
                self._sender(),
                recipient.in_(seen_by),
                recipient.in_(protected),
                _had_by(consenting),
            ),
            sa.and_(messages.c.sender_id.in_(consenting), recipient.in_(others)),
        )

    def _personal_of(self, whose: Condition) -> Ids:
        return sa.select(recipients.c.id).where(recipients.c.type == PERSONAL, whose)

    def owner_ids(self) -> Ids:
        """Whose user messages are exported: no mirror dummy's; with consent, who consents."""
        owners = self.users_where(dummies=False)
        if self.mode is Mode.CONSENT:
            owners = sa.and_(owners, users.c.id.in_(self.consenting_ids()))
        return _user_ids(owners)

    def user_message_owner(
        self, owners: sa.ColumnElement[Sequence[int]] | None = None
    ) -> Condition:
        """Is it the user message of one of `owner_ids`? `owners` are these, when known already."""
        owner = user_messages.c.user_profile_id
        listed = owner.in_(self.owner_ids()) if owners is None else owner == sa.any_(owners)
        return sa.and_(listed, self._wanted(user_messages))

    def _user_messages(self) -> Condition:
        return sa.and_(
            user_messages.c.message_id.in_(self.message_ids()), self.user_message_owner()
        )

    def _scheduled_messages(self) -> Condition:
        scheduled = tables["zerver_scheduledmessage"]
        mine = sa.and_(scheduled.c.realm_id == self.realm_id, self._wanted(scheduled))
        if self.mode is Mode.PUBLIC:
            return sa.false()
        if self.mode is Mode.CONSENT:
            return sa.and_(mine, scheduled.c.sender_id.in_(self.consenting_ids()))
        return mine

    def scheduled_ids(self) -> Ids:
        """The ids of the exported scheduled messages."""
        return sa.select(tables["zerver_scheduledmessage"].c.id).where(self._scheduled_messages())

    def _attachments(self) -> Condition:
        links = tables["zerver_attachment_messages"]
        scheduled = tables["zerver_attachment_scheduled_messages"]
        in_messages = sa.select(links.c.attachment_id).where(
            links.c.message_id.in_(self.message_ids())
        )
        in_scheduled = sa.select(scheduled.c.attachment_id).where(
            scheduled.c.scheduledmessage_id.in_(self.scheduled_ids())
        )
        return sa.and_(
            attachments.c.realm_id == self.realm_id,
            sa.or_(attachments.c.id.in_(in_messages), attachments.c.id.in_(in_scheduled)),
        )


def _had_by(consenting: Ids) -> Condition:
    """Has somebody who consents a user message of the message?

    Asked message by message, for those few whose history is protected: by the index over messages,
    and never over all user messages.
    """
    theirs = user_messages.alias("consenting_user_message")
    found = (
        sa.select(theirs.c.id)
        .where(
            theirs.c.message_id == messages.c.id,
            _looked_up(theirs.c.user_profile_id.in_(consenting)),
        )
        .limit(1)
        .correlate(messages)
    )
    return found.scalar_subquery().is_not(None)


def _looked_up(condition: Condition) -> Condition:
    """A condition that PostgreSQL asks of each row by looking into a table of hashes.

    With old statistics it would rather compare each row with each, which takes hours.
    """
    return sa.case((condition, sa.true()), else_=sa.false())


def _user_ids(*conditions: Condition) -> Ids:
    """Ids of users, whatever the query around it is about: it may be about users, too."""
    return sa.select(users.c.id).where(*conditions).correlate(None)
