"""The organization that a command is about: to look at, or to change."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zcore import Refused
from zcore.internal_realm import refuse_internal_realm
from zcore.organizations.closing import lock_realm
from zcore.organizations.lookup import Realm, describe, find_realm
from zops_realm.changing import Work, changing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

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
        refuse_internal_realm(connection, realm)
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
        refuse_internal_realm(work.connection, found)
        lock_realm(work.connection, found.realm_id)
        yield work, find_realm(work.connection, f"id:{found.realm_id}")
