"""Links by which somebody who is not logged in can say no to further welcome mails."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.identifiers import confirmation_key
from zcore.organizations.inserts import insert_returning_id, insert_rows
from zcore.schema.invitations import confirmation_confirmation
from zcore.schema.server import django_content_type

if TYPE_CHECKING:
    from zcore import UsersCreated

UNSUBSCRIBE = 4  # `confirmation_confirmation.type`
VALID = timedelta(days=1_000_000)
ACCOUNTS = {"app_label": "zerver", "model": "userprofile"}  # what the links are about


def unsubscribe_links(
    connection: sa.Connection, created: UsersCreated, url: str
) -> dict[int, dict[str, object]]:
    """A link for each new user, by the user's id, as the templates of mails take it."""
    keys = {user.user_id: confirmation_key() for user in created.users}
    common = {
        "realm_id": created.realm_id,
        "content_type_id": _content_type(connection),
        "type": UNSUBSCRIBE,
        "date_sent": created.now,
        "expiry_date": created.now + VALID,
    }
    rows = ({"object_id": user_id, "confirmation_key": key} for user_id, key in keys.items())
    insert_rows(connection, confirmation_confirmation, rows, common)
    page = f"{url}/accounts/unsubscribe/welcome"
    return {user_id: {"unsubscribe_link": f"{page}/{key}"} for user_id, key in keys.items()}


def _content_type(connection: sa.Connection) -> int:
    """The number by which the server knows accounts; each server numbers them for itself."""
    types = django_content_type.c
    found: int | None = connection.scalar(
        sa.select(types.id).where(*(types[name] == value for name, value in ACCOUNTS.items()))
    )
    if found is None:
        return insert_returning_id(connection, django_content_type, ACCOUNTS)
    return found
