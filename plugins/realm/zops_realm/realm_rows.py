"""Which rows of a database are those of one organization, in whatever tables there are.

A table with a foreign key to `zerver_realm` says it itself. A row of any other belongs to the
organization when one of its foreign keys that cannot be NULL leads to a row that does; the few
references that are no foreign keys have rules of their own. System bots, and whatever else belongs
to the internal realm, never do; what they wrote in the organization does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from zcore.organizations.codes import RecipientType

if TYPE_CHECKING:
    from zops_realm.catalogue import CatalogueTable, ForeignKey

Condition = sa.ColumnElement[bool]

REALM = "zerver_realm"
RECIPIENT = "zerver_recipient"


class RealmRows:
    """The rows of the organization `realm_id`, as conditions on the tables of `catalogue`.

    `internal_realm_id` is that of the system bots, if there are any. `recipients` has the ids of
    the organization's recipients, where they have been put aside: they are known by subscriptions
    and messages, which a deletion deletes before them.
    """

    def __init__(
        self,
        catalogue: Mapping[str, CatalogueTable],
        realm_id: int,
        internal_realm_id: int | None = None,
        recipients: sa.TableClause | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._realm_id = realm_id
        self._internal_realm_id = internal_realm_id
        self._recipients = recipients
        self._conditions: dict[str, Condition | None] = {}
        self._tables_in_order: list[str] = []
        for name in catalogue:
            self.condition(name)

    @property
    def tables(self) -> list[str]:
        """The tables that can have any, each before those that tell which rows of it they are."""
        order = [name for name in reversed(self._tables_in_order) if name != REALM]
        return [*(name for name in order if self._conditions[name] is not None), REALM]

    def condition(self, name: str) -> Condition | None:
        """What is true of the organization's rows in the table `name`; None: it can have none."""
        if name not in self._conditions:
            self._conditions[name] = None  # of a circle, this link tells nothing
            self._conditions[name] = self._find(name)
            self._tables_in_order.append(name)
        return self._conditions[name]

    def references(self, name: str) -> Iterator[tuple[ForeignKey, Condition]]:
        """Each foreign key of `name` that can lead to the organization, and: it does so."""
        table = self._catalogue[name]
        for key in table.foreign_keys:
            target = self._ids(key)
            if target is not None:
                yield key, table.value(key.columns).in_(target)

    def references_of_others(self, name: str) -> Iterator[tuple[ForeignKey, Condition]]:
        """Each foreign key of `name` that rows which are not the organization's can have to it.

        With what is true of those rows.
        """
        table = self._catalogue[name]
        is_anchored = name == REALM or any(key.target == REALM for key in table.foreign_keys)
        for key, leads in self.references(name):
            if is_anchored or key.nullable:
                yield key, sa.and_(self.foreign(name), leads)

    def foreign(self, name: str) -> Condition:
        """What is true of the rows in `name` that are not the organization's."""
        condition = self.condition(name)
        if condition is None:
            return sa.true()
        return sa.case((condition, 0), else_=1) == 1  # "not" would leave out what is NULL

    def _find(self, name: str) -> Condition | None:
        if name == REALM:
            return self._column(REALM, "id") == self._realm_id
        rule = _RULES.get(name)
        ruled = rule(self) if rule is not None else None
        by_keys = self._by_foreign_keys(name)
        return sa.or_(*found) if (found := [c for c in (ruled, by_keys) if c is not None]) else None

    def _by_foreign_keys(self, name: str) -> Condition | None:
        table = self._catalogue[name]
        anchors = [key for key in table.foreign_keys if key.target == REALM]
        if not anchors:
            required = [found for key, found in self.references(name) if not key.nullable]
            return sa.or_(*required) if required else self._by_optional_keys(name)
        columns = [table.value(key.columns) for key in anchors]
        own = sa.or_(*(column == self._realm_id for column in columns))
        if not all(key.nullable for key in anchors):
            return own
        rest = self._by_optional_keys(name)
        nobodys = sa.and_(*(column.is_(None) for column in columns))
        return own if rest is None else sa.or_(own, sa.and_(nobodys, rest))

    def _by_optional_keys(self, name: str) -> Condition | None:
        """At least one key leads to the organization, and none to another one."""
        table = self._catalogue[name]
        found = [(key, leads) for key, leads in self.references(name) if key.target != REALM]
        if not found:
            return None
        none_elsewhere = [
            sa.or_(leads, *(table.table.c[column].is_(None) for column in key.columns))
            for key, leads in found
        ]
        return sa.and_(sa.or_(*(leads for _, leads in found)), *none_elsewhere)

    def _ids(self, key: ForeignKey) -> sa.Select[*tuple[Any, ...]] | None:
        """The organization's rows of the table that `key` leads to, by what it names them by."""
        if key.target not in self._catalogue:
            return None
        return self.select(key.target, *key.target_columns)

    def select(self, name: str, *columns: str) -> sa.Select[*tuple[Any, ...]] | None:
        """A query for columns of the organization's rows in the table `name`."""
        if name == RECIPIENT and self._recipients is not None and columns == ("id",):
            return sa.select(self._recipients.c.id)
        condition = self.condition(name)
        if condition is None:
            return None
        return sa.select(*(self._column(name, column) for column in columns)).where(condition)

    def _column(self, table: str, column: str) -> sa.ColumnElement[int]:
        return self._catalogue[table].table.c[column]

    def _recipient_rows(self) -> Condition:
        """Recipients name an account, a channel or a group of people, without a foreign key."""
        kind, of, key = (self._column(RECIPIENT, name) for name in ("type", "type_id", "id"))
        if self._recipients is not None:
            return key.in_(sa.select(self._recipients.c.id))
        users, streams = (
            self._in_realm(table, "id") for table in ("zerver_userprofile", "zerver_stream")
        )
        return sa.or_(
            sa.and_(kind == RecipientType.PERSONAL, of.in_(users)),
            sa.and_(kind == RecipientType.CHANNEL, of.in_(streams)),
            sa.and_(kind == RecipientType.DIRECT_MESSAGE_GROUP, self._is_group_of_realm(key)),
        )

    def _is_group_of_realm(self, recipient_id: sa.ColumnElement[int]) -> Condition:
        """Somebody of the organization is in the group or wrote to it, and nobody of another."""
        subscribers, realm_of = (
            self._catalogue[name].table for name in ("zerver_subscription", "zerver_userprofile")
        )
        subscribed = sa.select(subscribers.c.recipient_id).where(
            subscribers.c.user_profile_id.in_(self._in_realm("zerver_userprofile", "id"))
        )
        others = sa.select(subscribers.c.recipient_id).where(
            subscribers.c.user_profile_id == realm_of.c.id,
            realm_of.c.realm_id != self._realm_id,
            realm_of.c.realm_id != (self._internal_realm_id or 0),
        )
        written_to = self._in_realm("zerver_message", "recipient_id")
        return sa.and_(
            sa.or_(recipient_id.in_(subscribed), recipient_id.in_(written_to)),
            recipient_id.not_in(others),
        )

    def _in_realm(self, table: str, column: str) -> sa.Select[tuple[int]]:
        """A column of those rows of `table` that name the organization themselves."""
        rows = self._catalogue[table].table
        return sa.select(rows.c[column]).where(rows.c.realm_id == self._realm_id)

    def _confirmations(self) -> Condition | None:
        """Links that make an organization name no organization, but the wish for one."""
        wishes = "zerver_preregistrationrealm"
        if wishes not in self._catalogue or (ids := self.select(wishes, "id")) is None:
            return None
        table, types = (
            self._catalogue[name].table for name in ("confirmation_confirmation", CONTENT_TYPE)
        )
        kind = sa.select(types.c.id).where(
            types.c.app_label == "zerver", types.c.model == "preregistrationrealm"
        )
        return sa.and_(table.c.content_type_id.in_(kind), table.c.object_id.in_(ids))

    def _search_log(self) -> Condition:
        self.condition("zerver_message")  # which tells which rows: they have to go before
        return self._column("fts_update_log", "message_id").in_(
            self._in_realm("zerver_message", "id")
        )


CONTENT_TYPE = "django_content_type"
# What foreign keys do not tell, by table.
_RULES: Mapping[str, Callable[[RealmRows], Condition | None]] = {
    RECIPIENT: RealmRows._recipient_rows,
    "confirmation_confirmation": RealmRows._confirmations,
    "fts_update_log": RealmRows._search_log,
}
