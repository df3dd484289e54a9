"""`zops user check-password`: is this somebody's password?"""

from __future__ import annotations

import sqlalchemy as sa

from zcore import Context, Refused, Result
from zcore.organizations.lookup import find_realm
from zcore.schema.users import zerver_userprofile
from zcore.text import is_text
from zops_realm.accounts import no_account, user_condition
from zops_realm.password_hash import has_password, is_password


def check_password(context: Context, reference: str, user: str, password: str) -> Result:
    """Say so when `password` is the account's. Nothing is written, not even a login.

    Raises `Refused` when it is not, or when the account has none.
    """
    users = zerver_userprofile.c
    with context.database.read() as connection:
        realm = find_realm(connection, reference)
        chosen = sa.select(users.id, users.delivery_email, users.password, users.is_active).where(
            users.realm_id == realm.realm_id, user_condition(user)
        )
        row = connection.execute(chosen).first()
    if row is None:
        raise no_account(user, realm)
    user_id, email, stored, is_active = row
    if not has_password(stored):
        raise Refused(
            f"the account {email} (id {user_id}) has no password",
            code="no-password",
            hint="its user logs in another way, or sets one with 'forgot your password?'",
        )
    if not is_text(password) or not is_password(password, stored):
        raise Refused(f"this is not the password of {email} (id {user_id})", code="password-wrong")
    text = f"this is the password of {email} (id {user_id})"
    if not is_active:
        text += ", but the account is deactivated"
    return Result({"user_id": user_id, "email": email, "is_active": is_active}, text=text)
