"""`zops realm auth list|enable|disable`: how people log in to an organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore import AuthBackend, Change, Context, Result
from zcore.console import table
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.codes import AUDIT_NEW_VALUE, AUDIT_OLD_VALUE, AuditEvent
from zcore.organizations.lookup import Realm, find_realm
from zcore.schema.realms import zerver_realmauthenticationmethod
from zcore.validation import require_valid
from zops_realm.auth_methods import (
    enabled_methods,
    known_backends,
    require_way_in,
    stored_name,
)
from zops_realm.realm_target import changing_realm, looking_at_realm

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zops_realm.changing import Work

COLUMNS = ("NAME", "STATE", "FINDS THE ACCOUNT BY", "NEEDS ON THE SERVER")
PROPERTY = "authentication_methods"
UNKNOWN = AuthBackend("", "A way to log in that no plugin tells of.", needs="", links_by="")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthRequest:
    """Which ways to log in to switch on, or off, in which organization."""

    realm: str
    names: tuple[str, ...]
    enable: bool
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Switched:
    """The names that are enabled before and after."""

    before: Sequence[str]
    after: Sequence[str]


def list_methods(context: Context, reference: str) -> Result:
    """Every way to log in: whether it is enabled, and what it needs."""
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        enabled = enabled_methods(connection, realm.realm_id)
    known = known_backends(context.plugins)
    methods = [
        _listed(name, known.get(name, UNKNOWN), name in enabled)
        for name in dict.fromkeys((*known, *enabled))
    ]
    data = {"realm_id": realm.realm_id, "string_id": realm.string_id, "methods": methods}
    return Result(data, text=_as_table(methods))


def switch_methods(context: Context, request: AuthRequest) -> Result:
    """Enable or disable; never the last one.

    Raises `Refused` for names that there are not, all at once.
    """
    verb = "enable" if request.enable else "disable"
    subjects = {"realm.auth_method": request.names}
    require_valid(context, f"cannot {verb} them", subjects, dry_run=request.dry_run)
    known = known_backends(context.plugins)
    if request.dry_run:
        with looking_at_realm(context, request.realm) as (connection, realm):
            return _report(request, realm, _switched(connection, realm, request, known))
    with changing_realm(context, request.realm) as (work, realm):
        switched = _switched(work.connection, realm, request, known)
        if set(switched.before) != set(switched.after):
            _write(work, realm, switched, known)
    return _report(request, realm, switched)


def _switched(
    connection: sa.Connection, realm: Realm, request: AuthRequest, known: dict[str, AuthBackend]
) -> Switched:
    before = enabled_methods(connection, realm.realm_id)
    names = [stored_name(name, known) for name in request.names]
    if request.enable:
        after = [*before, *(name for name in dict.fromkeys(names) if name not in before)]
    else:
        after = [name for name in before if name not in names]
        if after != before:
            require_way_in(after, known, repr(realm.name))
    return Switched(before, after)


def _write(work: Work, realm: Realm, switched: Switched, known: Mapping[str, AuthBackend]) -> None:
    methods = zerver_realmauthenticationmethod
    gone = [name for name in switched.before if name not in switched.after]
    new = [name for name in switched.after if name not in switched.before]
    work.connection.execute(
        sa.delete(methods).where(methods.c.realm_id == realm.realm_id, methods.c.name.in_(gone))
    )
    if new:
        rows = [{"realm_id": realm.realm_id, "name": name} for name in new]
        work.connection.execute(sa.insert(methods), rows)
    old_value, new_value = (
        {name: name in enabled for name in dict.fromkeys((*known, *switched.before))}
        for enabled in (switched.before, switched.after)
    )
    entry = AuditEntry(
        event_type=AuditEvent.REALM_PROPERTY_CHANGED,
        realm_id=realm.realm_id,
        event_time=work.now,
        extra_data={AUDIT_OLD_VALUE: old_value, AUDIT_NEW_VALUE: new_value, "property": PROPERTY},
    )
    write_audit_entries(work.connection, [entry])
    details = {"old": {PROPERTY: old_value}, "new": {PROPERTY: new_value}}
    work.changed(Change("realm.auth_changed", realm.realm_id, realm.string_id, details=details))


def _listed(name: str, backend: AuthBackend, enabled: bool) -> dict[str, object]:
    return {
        "name": name,
        "enabled": enabled,
        "help": backend.help,
        "needs": backend.needs,
        "links_by": backend.links_by,
        "password": backend.password,
    }


def _as_table(methods: Collection[Mapping[str, object]]) -> str:
    rows = [
        (
            method["name"],
            "enabled" if method["enabled"] else "disabled",
            method["links_by"],
            method["needs"],
        )
        for method in methods
    ]
    return table(COLUMNS, rows)


def _report(request: AuthRequest, realm: Realm, switched: Switched) -> Result:
    changed = sorted({*switched.before} ^ {*switched.after})
    data: dict[str, object] = {
        "realm_id": realm.realm_id,
        "string_id": realm.string_id,
        "enabled": list(switched.after),
        "changed": changed,
    }
    state = "enabled" if request.enable else "disabled"
    if not changed:
        return Result(data, text=f"nothing to do: all of them are {state} in {realm.name!r}")
    names = ", ".join(changed)
    if request.dry_run:
        text = f"{names} would be {state} in {realm.name!r}; nothing was written"
        return Result(data | {"dry_run": True}, text=text)
    return Result(data, text=f"{state} in {realm.name!r}: {names}")
