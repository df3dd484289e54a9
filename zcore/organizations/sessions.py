"""Login sessions of a server: rows of `django_session`, which say inside whose they are."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.server import django_session

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

AT_ONCE = 1000
LARGEST = 1 << 20  # bytes of one session, unpacked; a real one has some hundred


def sessions_of(connection: sa.Connection, user_ids: Collection[int]) -> list[str]:
    """The keys of the login sessions of these accounts."""
    if not user_ids:
        return []
    return [key for key, user_id in _logged_in(connection) if user_id in user_ids]


def end_sessions(connection: sa.Connection, user_ids: Collection[int]) -> list[str]:
    """Log these accounts out everywhere. Returns the keys of the sessions that were deleted.

    A server also keeps them in its cache, where the detail `session_keys` of a change deletes them.
    """
    keys = sessions_of(connection, user_ids)
    column = django_session.c.session_key
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        connection.execute(sa.delete(django_session).where(column.in_(some)))
    return keys


def user_of_session(data: str) -> int | None:
    """Whose a session is, by its `session_data`; None when nobody is logged in with it.

    The text is `DATA:TIME:SIGNATURE`; DATA is JSON as URL-safe base64, packed by zlib after a dot.
    The signature needs the server's secret key, and is not looked at: nothing is trusted here.
    """
    packed = data.rsplit(":", 2)[0]
    try:
        content = _decoded(packed.removeprefix("."))
        if packed.startswith("."):
            content = zlib.decompressobj().decompress(content, LARGEST)
        session = json.loads(content)
        return int(session["_auth_user_id"])
    except (ValueError, KeyError, TypeError, zlib.error):  # not of a server's making
        return None


def _logged_in(connection: sa.Connection) -> Iterator[tuple[str, int]]:
    chosen = sa.select(django_session.c.session_key, django_session.c.session_data)
    for key, data in connection.execute(chosen, execution_options={"yield_per": AT_ONCE}):
        user_id = user_of_session(data)
        if user_id is not None:
            yield key, user_id


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
