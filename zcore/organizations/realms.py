"""A new realm: its row and everything that the server expects beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.identifiers import random_uuid, realm_owner_secret
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AuditEvent
from zcore.organizations.group_settings import REALM_GROUP_SETTINGS, realm_group_settings
from zcore.organizations.inserts import insert_returning_id, insert_rows
from zcore.organizations.system_groups import SystemGroups, create_system_groups
from zcore.schema.realms import (
    zerver_presencesequence,
    zerver_realm,
    zerver_realmauthenticationmethod,
    zerver_realmuserdefault,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

# A row says "enabled for this realm"; which of them work is for the server's settings to say.
AUTHENTICATION_METHODS = (
    "Dev",
    "Email",
    "LDAP",
    "RemoteUser",
    "GitHub",
    "AzureAD",
    "GitLab",
    "Google",
    "Apple",
    "SAML",
    "OpenID Connect",
)

# Stands in the permission columns until the groups are there; foreign keys are checked at commit.
NO_GROUP_YET = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRealm:
    """A realm to be made.

    `settings` are columns of `zerver_realm` that differ from their defaults; `audit_data` goes
    into the audit entry that says the realm was created; `authentication_methods` are the ways to
    log in that are enabled. `realm_id` is a number that was reserved for it, if one was.
    """

    name: str
    string_id: str
    date_created: datetime
    settings: Mapping[str, object] = field(default_factory=dict)
    audit_data: Mapping[str, object] = field(default_factory=dict)
    authentication_methods: Sequence[str] = AUTHENTICATION_METHODS
    realm_id: int | None = None


@dataclass(frozen=True, slots=True)
class InsertedRealm:
    """The ids of a realm just made, and of its system groups."""

    realm_id: int
    groups: SystemGroups


def insert_realm(connection: sa.Connection, realm: NewRealm) -> InsertedRealm:
    """Write a realm without channels and users; all else that it needs is there."""
    realm_id = _insert_realm_row(connection, realm)
    write_audit_entries(connection, [_created_entry(realm_id, realm)])
    insert_user_defaults(connection, realm_id)
    groups = create_system_groups(connection, realm_id, realm.date_created)
    _set_group_settings(connection, realm_id, groups)
    insert_authentication_methods(connection, realm_id, realm.authentication_methods)
    insert_presence_sequence(connection, realm_id)
    return InsertedRealm(realm_id, groups)


def insert_user_defaults(connection: sa.Connection, realm_id: int) -> None:
    """The settings that a new user of the realm starts with, all at their defaults."""
    connection.execute(sa.insert(zerver_realmuserdefault), {"realm_id": realm_id})


def insert_authentication_methods(
    connection: sa.Connection, realm_id: int, names: Sequence[str]
) -> None:
    """Enable ways to log in for the realm."""
    rows = [{"realm_id": realm_id, "name": name} for name in names]
    connection.execute(sa.insert(zerver_realmauthenticationmethod), rows)


def insert_presence_sequence(connection: sa.Connection, realm_id: int) -> None:
    """The counter without which the server cannot store who is online."""
    row = {"realm_id": realm_id, "last_update_id": 0}
    connection.execute(sa.insert(zerver_presencesequence), row)


def _insert_realm_row(connection: sa.Connection, realm: NewRealm) -> int:
    row = {
        "name": realm.name,
        "string_id": realm.string_id,
        "date_created": realm.date_created,
        "uuid": random_uuid(),
        "uuid_owner_secret": realm_owner_secret(),
        **dict.fromkeys(REALM_GROUP_SETTINGS, NO_GROUP_YET),
        **realm.settings,
    }
    if realm.realm_id is None:
        return insert_returning_id(connection, zerver_realm, row)
    insert_rows(connection, zerver_realm, [row | {"id": realm.realm_id}])
    return realm.realm_id


def _created_entry(realm_id: int, realm: NewRealm) -> AuditEntry:
    return AuditEntry(
        event_type=AuditEvent.REALM_CREATED,
        realm_id=realm_id,
        event_time=realm.date_created,
        extra_data=realm.audit_data,
    )


def _set_group_settings(connection: sa.Connection, realm_id: int, groups: SystemGroups) -> None:
    update = sa.update(zerver_realm).where(zerver_realm.c.id == realm_id)
    connection.execute(update.values(realm_group_settings(groups)))
