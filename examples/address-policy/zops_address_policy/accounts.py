"""The accounts that are there already, and the policy."""

from __future__ import annotations

import sqlalchemy as sa

from zcore import Context, Finding
from zcore.organizations.lookup import find_realm
from zcore.schema.users import zerver_userprofile
from zops_address_policy.configured import policy_of


def broken_addresses(context: Context, reference: str) -> tuple[int, list[Finding]]:
    """How many accounts the organization `reference` has, and what is wrong with their addresses.

    Raises `zcore.Refused` when there is no such organization.
    """
    policy = policy_of(context)
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        accounts = connection.execute(_accounts(realm.realm_id)).all()
    findings = [
        Finding(complaint.code, complaint.message, f"account {user_id}", complaint.hint)
        for user_id, address in accounts
        for complaint in policy.complaints(address)
    ]
    return len(accounts), findings


def _accounts(realm_id: int) -> sa.Select[int, str]:
    users = zerver_userprofile.c
    return (
        sa.select(users.id, users.delivery_email)
        .where(users.realm_id == realm_id, users.is_active, sa.not_(users.is_bot))
        .order_by(users.id)
    )
