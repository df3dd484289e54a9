"""`--privacy strict`: what leaves of people who did not consent, beyond the server's own rules.

What is done with each table that has to do with users is decided in `DECISIONS`, and with each
column of an account in `KEPT`, `settings()` and `EMPTIED`; a test asks for a decision about every
table and column that exports carry. The decisions are carried out as plugins do it: by conditions
on rows, and by SQL in place of columns.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from zcore.frozen import frozen
from zcore.organizations.codes import AuditEvent, EmailVisibility
from zcore.schema import tables
from zcore.schema.defaults import default_of
from zops_export.rewrites import Rewrites, Value, typed
from zops_export.selection import GROUP, Condition, Ids, Mode, Selection, recipients, subscriptions
from zops_export.selection import users as people

SUBSCRIBED = (
    AuditEvent.SUBSCRIPTION_CREATED,
    AuditEvent.SUBSCRIPTION_ACTIVATED,
    AuditEvent.SUBSCRIPTION_DEACTIVATED,
)
HIDDEN_DOMAIN = "hidden.invalid"

# Flags of a user message that follow from the message: mentions, history, direct messages.
FLAG_READ = 1
FLAGS_OF_THE_MESSAGE = 8 | 16 | 32 | 64 | 1024 | 2048


class Privacy(enum.Enum):
    """Whose rules say what leaves of people: those of a Zulip 10.0 server, or stricter ones."""

    SERVER = "server"
    STRICT = "strict"


@frozen
class Decision:
    """What happens to a table. `owner`: its column with the account whose consent its rows need.

    `says` tells people about it.
    """

    says: str
    owner: str | None = None


def _theirs(says: str, owner: str = "user_profile_id") -> Decision:
    return Decision(says, owner)


DECISIONS: Mapping[str, Decision] = {
    "zerver_userprofile": Decision(
        "all accounts; settings and private columns as below, hidden addresses replaced"
    ),
    "zerver_alertword": _theirs("with consent"),
    "zerver_muteduser": _theirs("with consent of who muted"),
    "zerver_onboardingstep": _theirs("with consent", "user_id"),
    "zerver_savedsnippet": _theirs("with consent"),
    "zerver_useractivity": _theirs("with consent"),
    "zerver_useractivityinterval": _theirs("with consent"),
    "zerver_userpresence": _theirs("with consent"),
    "zerver_userstatus": _theirs("with consent"),
    "zerver_usertopic": _theirs("with consent"),
    "zerver_scheduledmessage": _theirs("with consent of the sender", "sender_id"),
    "zerver_service": _theirs("with consent of the bot's owner"),
    "zerver_botstoragedata": _theirs("with consent of the bot's owner", "bot_profile_id"),
    "zerver_botconfigdata": _theirs("with consent of the bot's owner", "bot_profile_id"),
    "analytics_usercount": _theirs("with consent", "user_id"),
    "zerver_realmauditlog": Decision(
        "what was done to channels, groups and the organization, and subscriptions; what was done"
        " to an account with its consent"
    ),
    "zerver_huddle": Decision(
        "groups that somebody who consents is in; with --public-only none, with --full all"
    ),
    "zerver_subscription": Decision(
        "all; what is personal of them (muted, pinned, color) by consent"
    ),
    "zerver_usermessage": Decision(
        "as the mode says; without consent all are read, and without stars and alert words"
    ),
    "zerver_message": Decision("as the mode says"),
    "zerver_reaction": Decision("with the message: everybody who sees it sees them"),
    "zerver_attachment": Decision("with the message"),
    "zerver_customprofilefieldvalue": Decision("all: everybody sees them"),
    "zerver_usergroupmembership": Decision("all: everybody sees them"),
    "zerver_namedusergroup": Decision("all: they are the organization's"),
    "zerver_stream": Decision("all: they are the organization's"),
    "zerver_recipient": Decision("those of accounts, channels and groups in the export"),
    "zerver_realmemoji": Decision("all: they are the organization's"),
    "zerver_realmexport": Decision("all, without the address where the export was to be fetched"),
}
"""By table. Tables that lead to no user are the organization's, and leave."""

EMPTIED = frozenset({"last_login", "last_reminder", "last_active_message_id", "zoom_token"})
"""Columns of an account that are NULL without consent."""

KEPT = frozenset(
    {
        # who it is, as everybody in the organization sees
        *("id", "realm", "full_name", "date_joined", "timezone", "role", "recipient"),
        *("avatar_source", "avatar_version", "avatar_hash", "is_bot", "bot_type", "bot_owner"),
        # what it may do, and whether it agreed to the terms
        *("is_staff", "is_superuser", "can_forge_sender", "can_create_users"),
        *("can_change_user_emails", "rate_limits", "tos_version", "long_term_idle"),
        *("default_all_public_streams", "default_sending_stream", "default_events_register_stream"),
        # what it wants done with its address and its data
        *("email_address_visibility", "allow_private_data_export"),
    }
)
"""Keys of an account that leave as they are."""

DECIDED = frozenset({"delivery_email", "email", "is_mirror_dummy", "is_active"})
"""Columns of an account that depend on consent, address and mode."""

PERSONAL = ("is_muted", "pin_to_top", "color", "desktop_notifications", "audible_notifications")
PERSONAL_OF_SUBSCRIPTION = (
    *PERSONAL,
    "push_notifications",
    "email_notifications",
    "wildcard_mentions_notify",
)


def settings() -> list[sa.Column[Any]]:
    """The columns of an account that are settings: those with a default in the organization."""
    defaults = tables["zerver_realmuserdefault"].c
    return [
        column
        for column in people.columns
        if column.name in defaults and column.name not in KEPT | {"id", "realm_id"}
    ]


def strictly(selection: Selection, rewrites: Rewrites) -> tuple[Selection, Rewrites]:
    """The same with less in it: what leaves only with consent, or because everybody sees it.

    What plugins change and leave out stays; where consent is lacking the rules here come first.
    """
    rules = _Rules(selection)
    values = dict(rewrites.values)
    for column, holds, value in rules.values():
        instead = sa.case((holds, value), else_=rewrites.value(column))
        values[column] = typed(instead, column, rewrites.dialect)
    conditions = dict(rewrites.conditions)
    for name, condition in rules.conditions():
        conditions[name] = sa.and_(condition, conditions.get(name, sa.true()))
    stricter = replace(rewrites, values=values, conditions=conditions)
    dummy = stricter.value(people.c.is_mirror_dummy)
    return replace(selection, conditions=conditions, dummy=dummy), stricter


class _Rules:
    """The decisions as SQL, for the realm and mode of `selection`.

    Who permits is asked once in each query, and named in it: the conditions would else be deeper
    than SQLite reads.
    """

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self._permitting = sa.select(self._who_permits().cte("permitting").c.id)

    def _who_permits(self) -> Ids:
        """The accounts whose private data may leave: who consents, and their bots.

        In an export of public data nobody's does, whatever they consent to.
        """
        if self.selection.mode is Mode.PUBLIC:
            return sa.select(people.c.id).where(sa.false())
        owner = people.c.bot_owner_id
        consenting = self.selection.consenting_ids()
        return sa.select(people.c.id).where(
            people.c.realm_id == self.selection.realm_id,
            sa.or_(
                people.c.id.in_(consenting),
                sa.and_(people.c.is_bot, owner.is_not(None), owner.in_(consenting)),
            ),
        )

    def _permits(self, account: sa.Column[Any]) -> Condition:
        return account.in_(self._permitting)

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """By table, which rows leave."""
        for name, decision in DECISIONS.items():
            if decision.owner is not None:
                yield name, self._permits(tables[name].c[decision.owner])
        audit = tables["zerver_realmauditlog"].c
        yield (
            "zerver_realmauditlog",
            sa.or_(
                audit.modified_user_id.is_(None),
                audit.event_type.in_(SUBSCRIBED),
                self._permits(audit.modified_user_id),
            ),
        )
        if self.selection.mode is not Mode.FULL:
            permitted = sa.select(self._groups().cte("permitted_groups").c.type_id)
            yield "zerver_huddle", tables["zerver_huddle"].c.id.in_(permitted)

    def _groups(self) -> Ids:
        """Direct message groups that somebody who permits is in."""
        return (
            sa.select(recipients.c.type_id)
            .join(subscriptions, subscriptions.c.recipient_id == recipients.c.id)
            .where(recipients.c.type == GROUP, self._permits(subscriptions.c.user_profile_id))
        )

    def values(self) -> Iterator[tuple[sa.Column[Any], Condition, Value]]:
        """Columns with the condition under which a row has another value, and that value."""
        yield from self._of_accounts()
        subscription = subscriptions.c
        unpermitted = sa.not_(self._permits(subscription.user_profile_id))
        for name in PERSONAL_OF_SUBSCRIPTION:
            yield subscription[name], unpermitted, _usual(subscription[name])
        dummies = sa.select(people.c.id).where(self._becomes_dummy()).correlate(None)
        yield subscription.is_user_active, subscription.user_profile_id.in_(dummies), sa.false()
        if self.selection.mode is not Mode.CONSENT:  # where only who consents has user messages
            theirs = tables["zerver_usermessage"].c
            neutral = theirs.flags.op("&")(FLAGS_OF_THE_MESSAGE).op("|")(FLAG_READ)
            yield theirs.flags, sa.not_(self._permits(theirs.user_profile_id)), neutral
        yield tables["zerver_realmexport"].c.export_path, sa.true(), sa.null()

    def _of_accounts(self) -> Iterator[tuple[sa.Column[Any], Condition, Value]]:
        account = people.c
        unpermitted = sa.not_(self._permits(account.id))
        for name in sorted(EMPTIED):
            yield account[name], unpermitted, sa.null()
        for column in settings():
            yield column, unpermitted, self._default(column)
        instead = sa.literal("user").op("||")(sa.cast(account.id, sa.Text))
        address = instead.op("||")(sa.literal(f"@{HIDDEN_DOMAIN}"))
        shown = sa.func.lower(account.email) == sa.func.lower(account.delivery_email)
        yield account.delivery_email, self._is_hidden(), address
        yield account.email, sa.and_(self._is_hidden(), shown), address
        yield account.is_mirror_dummy, self._becomes_dummy(), sa.true()
        yield account.is_active, self._becomes_dummy(), sa.false()

    def _default(self, column: sa.Column[Any]) -> Value:
        """What a new account of the organization has as this setting."""
        defaults = tables["zerver_realmuserdefault"]
        own = sa.select(defaults.c[column.name]).where(
            defaults.c.realm_id == self.selection.realm_id
        )
        return sa.func.coalesce(own.limit(1).scalar_subquery(), _usual(column))

    def _is_hidden(self) -> Condition:
        """Does nobody but the account itself see its address? A bot's everybody sees."""
        return sa.and_(
            sa.not_(people.c.is_bot),
            people.c.email_address_visibility == EmailVisibility.NOBODY,
            sa.not_(self._permits(people.c.id)),
        )

    def _becomes_dummy(self) -> Condition:
        """Accounts that nobody can log in to afterwards: they can sign up with their address.

        What was deactivated stays so, and cannot come back by signing up.
        """
        asked = self._is_hidden()
        if self.selection.mode is Mode.CONSENT:
            asked = sa.not_(self._permits(people.c.id))
        return sa.and_(people.c.realm_id == self.selection.realm_id, people.c.is_active, asked)


def _usual(column: sa.Column[Any]) -> Value:
    """What the column has in a row that does not say."""
    value = default_of(column)
    return sa.null() if value is None else sa.literal(value, column.type)
