"""What a new user finds in their first channels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from zcore.schema import tables

if TYPE_CHECKING:
    from zcore.database import Database
    from zcore.testing.commands import Zops

READ, STARRED, HISTORICAL = 1, 2, 1024


@pytest.fixture
def zops_with_realm(zops_on_sqlite: Zops) -> Zops:
    """The command on a database with the organization `acme`."""
    zops_on_sqlite(
        "create-realm", "Acme", "olive@a.test", "Olive O", "--string-id=acme", "--no-password"
    )
    return zops_on_sqlite


def say(database: Database, channel: str, count: int) -> list[int]:
    """Write `count` messages of the owner into `channel`; return their ids."""
    streams, users, messages = (
        tables[name] for name in ("zerver_stream", "zerver_userprofile", "zerver_message")
    )
    with database.begin() as connection:
        recipient_id, realm_id = connection.execute(
            sa.select(streams.c.recipient_id, streams.c.realm_id).where(streams.c.name == channel)
        ).one()
        sender_id = connection.scalar(sa.select(users.c.id).where(users.c.role == 100))
        row: dict[str, Any] = {
            "realm_id": realm_id,
            "recipient_id": recipient_id,
            "sender_id": sender_id,
            "sending_client_id": 1,
            "subject": "a topic",
            "content": "something",
            "date_sent": datetime.now(UTC),
            "is_channel_message": True,
        }
        return [
            connection.execute(sa.insert(messages), row).inserted_primary_key[0]
            for _ in range(count)
        ]


def given(database: Database) -> dict[int, int]:
    """Flags by message id, of the newest account."""
    rows = tables["zerver_usermessage"].c
    newest = sa.select(sa.func.max(tables["zerver_userprofile"].c.id)).scalar_subquery()
    with database.read() as connection:
        chosen = sa.select(rows.message_id, rows.flags).where(rows.user_profile_id == newest)
        return dict(connection.execute(chosen).tuples().all())


def join(zops: Zops, role: str = "member") -> None:
    zops("create-user", "new@a.test", "New Lee", "-racme", "--no-password", f"--role={role}")


def test_the_newest_twenty_are_unread(zops_with_realm: Zops, sqlite_database: Database) -> None:
    said = say(sqlite_database, "general", 15) + say(sqlite_database, "sandbox", 10)

    join(zops_with_realm)

    flags = given(sqlite_database)
    assert [flags[message] for message in said[:5]] == [HISTORICAL | READ] * 5
    assert [flags[message] for message in said[5:]] == [HISTORICAL] * 20


def test_with_an_introduction_only_that_is_unread(
    zops_with_realm: Zops, sqlite_database: Database
) -> None:
    other, first, second = say(sqlite_database, "general", 3)
    introduction = tables["zerver_onboardingusermessage"]
    with sqlite_database.begin() as connection:
        connection.execute(
            sa.insert(introduction),
            [
                {"realm_id": 2, "message_id": first, "flags": 6},
                {"realm_id": 2, "message_id": second, "flags": 2},
            ],
        )

    join(zops_with_realm)

    assert given(sqlite_database) == {
        other: HISTORICAL | READ,
        first: HISTORICAL | STARRED,
        second: HISTORICAL,
    }


@pytest.mark.parametrize(
    ("channel", "role", "readable"),
    [
        ({"history_public_to_subscribers": False}, "member", True),
        ({"history_public_to_subscribers": False}, "guest", False),
        ({"history_public_to_subscribers": False, "invite_only": True}, "member", False),
        ({"invite_only": True}, "guest", True),
        ({"history_public_to_subscribers": False, "is_web_public": True}, "guest", True),
    ],
)
def test_only_history_that_the_user_may_read(
    zops_with_realm: Zops,
    sqlite_database: Database,
    channel: dict[str, bool],
    role: str,
    readable: bool,
) -> None:
    said = say(sqlite_database, "general", 1)
    streams = tables["zerver_stream"]
    with sqlite_database.begin() as connection:
        connection.execute(sa.update(streams).where(streams.c.name == "general").values(channel))

    join(zops_with_realm, role)

    assert list(given(sqlite_database)) == (said if readable else [])


def test_no_more_than_a_thousand(zops_with_realm: Zops, sqlite_database: Database) -> None:
    said = say(sqlite_database, "general", 1003)

    join(zops_with_realm)

    assert sorted(given(sqlite_database)) == said[3:]


def test_a_channel_that_is_no_default_is_not_joined(
    zops_with_realm: Zops, sqlite_database: Database
) -> None:
    streams = tables["zerver_stream"]
    with sqlite_database.begin() as connection:
        archived = sa.update(streams).where(streams.c.name == "general")
        connection.execute(archived.values(deactivated=True))
    say(sqlite_database, "general", 1)

    join(zops_with_realm)

    assert given(sqlite_database) == {}
