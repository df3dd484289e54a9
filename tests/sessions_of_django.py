"""Login sessions as a server stores them, for tests."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from zcore.schema.server import django_session

if TYPE_CHECKING:
    from zcore.database import Database


def session_data(content: object, *, packed: bool = True) -> str:
    """JSON, packed or not, with a time and a signature that nobody looks at."""
    data = json.dumps(content).encode()
    text = base64.urlsafe_b64encode(zlib.compress(data) if packed else data).decode().rstrip("=")
    return f"{'.' if packed else ''}{text}:1tAbCd:a-signature_43"


def log_in(database: Database, user_id: int, *keys: str) -> None:
    """Make login sessions of an account, with these keys."""
    rows = [
        {
            "session_key": key,
            "session_data": session_data({"_auth_user_id": str(user_id), "_auth_user_hash": "0f"}),
            "expire_date": datetime.now(UTC) + timedelta(days=14),
        }
        for key in keys
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(django_session), rows)


def sessions(database: Database) -> set[str]:
    """The keys of the sessions that there are."""
    with database.read() as connection:
        return set(connection.scalars(sa.select(django_session.c.session_key)))
