"""The organization that a command is about: to look at, or to change."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Refused
from zcore.internal_realm import find_internal_realm
from zcore.organizations.codes import INTERNAL_REALM
from zcore.organizations.lookup import Realm, describe, find_realm
from zcore.schema.realms import zerver_realm
from zops_realm.changing import Work, changing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zcore import Context


@contextmanager
def looking_at_realm(context: Context, reference: str) -> Iterator[tuple[sa.Connection, Realm]]:
    """Read the organization that could be changed; a database that is not there is not made.

    Raises what `changing_realm` raises.
    """
    database = context.existing_database
    if database is None:
        raise Refused(
            f"there is no organization {describe(reference)}",
            code="no-realm",
            hint="there is no database yet: create an organization with 'zops create-realm'",
        )
    with database.read() as connection:
        realm = find_realm(connection, reference)
        _refuse_internal(connection, realm)
        yield connection, realm


def find_open_realm(context: Context, reference: str) -> Realm:
    """The organization, when something can be made in it. It makes no database.

    Raises what `looking_at_realm` raises, and `Refused` when the organization is deactivated.
    """
    with looking_at_realm(context, reference) as (_, realm):
        if realm.deactivated:
            raise Refused(
                f"the organization {realm.name!r} is deactivated",
                code="realm-deactivated",
                hint="'zops realm reactivate' opens it again",
            )
    return realm


@contextmanager
def changing_realm(context: Context, reference: str) -> Iterator[tuple[Work, Realm]]:
    """One transaction (`changing`) about one organization, which nobody else changes meanwhile.

    Raises `Refused` when there is no such organization or it is the server's internal one,
    `UsageError` when `reference` is a number that is none.
    """
    with changing(context) as work:
        found = find_realm(work.connection, reference)
        _refuse_internal(work.connection, found)
        realms = zerver_realm.c
        lock = sa.select(realms.id).where(realms.id == found.realm_id).with_for_update()
        work.connection.execute(lock)
        yield work, find_realm(work.connection, f"id:{found.realm_id}")


def set_realm_columns(connection: sa.Connection, realm_id: int, **values: object) -> None:
    """Change columns of the row in `zerver_realm`."""
    update = sa.update(zerver_realm).where(zerver_realm.c.id == realm_id)
    connection.execute(update.values(**values))


def _refuse_internal(connection: sa.Connection, realm: Realm) -> None:
    internal = find_internal_realm(connection)
    if realm.string_id == INTERNAL_REALM or (internal and internal.realm_id == realm.realm_id):
        raise Refused(
            f"{realm.string_id!r} is for the server's own bots, and stays as it is",
            code="internal-realm",
            hint="'zops realm list' shows the other organizations",
        )
