"""What no export may carry: by the schema's facts, and by what a key or table is called.

Some secrets are in every export, because the server puts them there (`zoom_token`, the tokens of
outgoing webhooks); they are columns that the schema knows. What is meant here comes on top.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zcore.schema.facts import column_facts, row_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

# In the name of a key: passwords, keys of interfaces, tokens, links that let somebody in.
SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|api_?key|private_?key|secret|token|salt"
    r"|invit\w*_(key|code|link)|confirmation_key|session_(key|data)|otp|auth_?key|credential",
    re.IGNORECASE,
)
# In the name of a table: invitations, links in mails, sessions, second factors, other logins.
SECRET_TABLE = re.compile(
    r"session|confirmation|invite|preregistration|emailchangestatus|reactivationstatus|emailaddress"
    r"|devicetoken|otp_|two_factor|social_auth|authtoken|apikey|secret",
    re.IGNORECASE,
)


def secret_keys(keys: Iterable[str], table: sa.Table | None = None) -> list[str]:
    """Those of `keys`, of a row of `table` or of a record of a file, that no export may carry."""
    expected = frozenset(row_keys(table)) if table is not None else frozenset()
    columns = table.columns if table is not None else ()
    stated = {column.name for column in columns if column_facts(column).secret}
    return sorted(
        key for key in keys if key not in expected and (key in stated or SECRET_KEY.search(key))
    )


def is_secret_table(name: str) -> bool:
    """Does a table of that name let somebody in who has its rows?"""
    return SECRET_TABLE.search(name) is not None
