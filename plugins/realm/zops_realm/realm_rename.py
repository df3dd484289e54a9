"""`zops realm rename`: another name for an organization; its subdomain stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zcore import Change, Context, Result
from zcore.organizations.audit import AuditEntry, write_audit_entries
from zcore.organizations.closing import set_realm_columns
from zcore.organizations.codes import AUDIT_NEW_VALUE, AUDIT_OLD_VALUE, AuditEvent
from zcore.validation import require_valid
from zops_realm.realm_target import changing_realm, looking_at_realm

if TYPE_CHECKING:
    from zcore.organizations.lookup import Realm
    from zops_realm.changing import Work


def rename(context: Context, reference: str, name: str, *, dry_run: bool = False) -> Result:
    """Give the organization another name. Raises `Refused` for one that the rules do not allow."""
    subjects = {"realm.name": [name]}
    require_valid(context, "cannot rename the organization", subjects, dry_run=dry_run)
    name = name.strip()
    if dry_run:
        with looking_at_realm(context, reference) as (_, realm):
            return _report(realm, name, dry_run=True)
    with changing_realm(context, reference) as (work, realm):
        if name != realm.name:
            _write(work, realm, name)
    return _report(realm, name)


def _write(work: Work, realm: Realm, name: str) -> None:
    set_realm_columns(work.connection, realm.realm_id, name=name)
    entry = AuditEntry(
        event_type=AuditEvent.REALM_PROPERTY_CHANGED,
        realm_id=realm.realm_id,
        event_time=work.now,
        extra_data={AUDIT_OLD_VALUE: realm.name, AUDIT_NEW_VALUE: name, "property": "name"},
    )
    write_audit_entries(work.connection, [entry])
    details = {"old": {"name": realm.name}, "new": {"name": name}}
    work.changed(Change("realm.renamed", realm.realm_id, realm.string_id, details=details))


def _report(realm: Realm, name: str, *, dry_run: bool = False) -> Result:
    data: dict[str, object] = {
        "realm_id": realm.realm_id,
        "string_id": realm.string_id,
        "name": name,
        "old_name": realm.name,
    }
    if name == realm.name:
        return Result(data, text=f"the organization is called {name!r} already")
    if dry_run:
        text = f"would rename {realm.name!r} to {name!r}; nothing was written"
        return Result(data | {"dry_run": True}, text=text)
    return Result(data, text=f"renamed {realm.name!r} to {name!r}")
