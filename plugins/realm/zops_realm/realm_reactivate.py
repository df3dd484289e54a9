"""`zops realm reactivate`: a deactivated organization can be used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import Change, Context, Refused, Result
from zcore.organizations.closing import reopen_realm
from zcore.schema.users import zerver_userprofile
from zops_realm.realm_target import changing_realm, looking_at_realm

if TYPE_CHECKING:
    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work


def reactivate(context: Context, reference: str, *, dry_run: bool = False) -> Result:
    """Reactivate the organization; what was to be deleted no longer is.

    Raises `Refused` when it is active, or nobody is in it.
    """
    if dry_run:
        with looking_at_realm(context, reference) as (connection, realm):
            _require_possible(connection, realm)
            return _report(realm, dry_run=True)
    with changing_realm(context, reference) as (work, realm):
        _require_possible(work.connection, realm)
        _write(work, realm)
    return _report(realm)


def _require_possible(connection: sa.Connection, realm: Realm) -> None:
    if not realm.deactivated:
        raise Refused(f"the organization {realm.name!r} is active", code="realm-active")
    users = zerver_userprofile.c
    anybody = sa.select(users.id).where(users.realm_id == realm.realm_id, sa.not_(users.is_bot))
    if connection.execute(anybody.limit(1)).first() is None:
        raise Refused(
            f"nobody is in the organization {realm.name!r} at {realm.string_id!r}",
            code="realm-empty",
            hint="it keeps the place of one whose subdomain was changed; 'zops realm show' says"
            " where that is",
        )


def _write(work: Work, realm: Realm) -> None:
    reopen_realm(work.connection, realm.realm_id, work.now)
    work.changed(Change("realm.reactivated", realm.realm_id, realm.string_id))


def _report(realm: Realm, *, dry_run: bool = False) -> Result:
    data: dict[str, object] = {"realm_id": realm.realm_id, "string_id": realm.string_id}
    if dry_run:
        text = f"would reactivate {realm.name!r} (id {realm.realm_id}); nothing was written"
        return Result(data | {"dry_run": True}, text=text)
    return Result(data, text=f"reactivated {realm.name!r} (id {realm.realm_id})")
